// Footfall's script for websites, as people read it; scripts/release-tracker makes of it what is
// served. It speaks the JavaScript of 2009 (ES5), so that no browser stops at its syntax, sets no
// cookie, and never throws into the page. Comments stand on lines of their own.
(function (window, document) {
  "use strict";

  var script = document.currentScript || document.querySelector("script[data-site]");
  var called = window.footfall;
  // A page may have the script twice; it counts once.
  if (!script || (called && called.version)) return;

  var site = script.getAttribute("data-site");
  var url = script.src.split(/[?#]/)[0].replace(/[^/]*$/, "event?users=hashed");
  var countsHash = script.hasAttribute("data-hash");
  var QUEUE = "footfall_queue";
  var SESSION = "footfall_session";
  var MAX_QUEUE = 20;
  var MAX_AGE_MS = 864e5;
  var SESSION_MS = 18e5;
  // What the browser does not let us store, for as long as the page lives.
  var memory = {};
  // Events whose answer has not come yet.
  var unanswered = [];
  var hasLeft;
  var here;

  // Where storage is switched off, to look at it is an error already.
  function load(store, name) {
    try {
      return window[store].getItem(name);
    } catch (_) {
      return memory[name];
    }
  }

  function save(store, name, value) {
    memory[name] = value;
    try {
      window[store].setItem(name, value);
    } catch (_) {}
  }

  function isIgnored() {
    return (
      load("localStorage", "footfall_ignore") ||
      navigator.webdriver ||
      window.Cypress ||
      window._phantom ||
      window.__nightmare
    );
  }

  function randomId() {
    var crypto = window.crypto;
    var bytes = crypto && crypto.getRandomValues && crypto.getRandomValues(new Uint8Array(16));
    var id = "";
    for (var i = 0; i < 16; i++) {
      id += (256 + (bytes ? bytes[i] : (Math.random() * 256) | 0)).toString(16).slice(1);
    }
    return id;
  }

  // Of this tab, until half an hour passes without an event.
  function sessionId(now) {
    var parts = (load("sessionStorage", SESSION) || "").split(" ");
    var id = now - parts[1] < SESSION_MS ? parts[0] : randomId();
    save("sessionStorage", SESSION, id + " " + now);
    return id;
  }

  // With data-hash, `/app/#/cart?step=2` is the page /app/cart.
  function page() {
    var path = location.pathname;
    if (countsHash && location.hash) {
      path = path.replace(/\/$/, "") + location.hash.replace(/^#!?\/?/, "/").replace(/\?.*/, "");
    }
    return path || "/";
  }

  function waiting() {
    try {
      return JSON.parse(load("localStorage", QUEUE)) || [];
    } catch (_) {
      return [];
    }
  }

  // What was not accepted at once comes with the time at which it happened.
  function keep(events) {
    if (!events.length) return;
    save("localStorage", QUEUE, JSON.stringify(waiting().concat(events).slice(-MAX_QUEUE)));
  }

  // Send once more what waits; what fails again is gone. A day later its id might be forgotten, and
  // count again.
  function retry() {
    var oldest = +new Date() - MAX_AGE_MS;
    var events = waiting();
    if (!events.length) return;
    save("localStorage", QUEUE, "[]");
    events = events.filter(function (event) {
      return event.timestamp > oldest;
    });
    if (events.length) send(JSON.stringify(events), function () {});
  }

  // A text is sent without asking first (no CORS preflight). `done` learns whether it was accepted; a
  // page that goes hears no answer, and then it learns nothing.
  function send(body, done) {
    if (document.visibilityState == "hidden" || !window.fetch) {
      done(navigator.sendBeacon && navigator.sendBeacon(url, body) ? null : false);
      return;
    }
    fetch(url, { method: "POST", body: body, keepalive: true, credentials: "omit" }).then(
      function (answer) {
        // What was too slow or too much may be neither the next time.
        done(answer.status < 500 && answer.status != 408 && answer.status != 429);
      },
      function () {
        done(false);
      }
    );
  }

  function track(type, more) {
    if (isIgnored()) return;
    var now = +new Date();
    var event = {
      site_id: site,
      event_type: type,
      path: here + location.search,
      session_id: sessionId(now),
      event_id: randomId()
    };
    for (var name in more) event[name] = more[name];
    var body = JSON.stringify(event);
    event.timestamp = now;
    unanswered.push(event);
    send(body, function (isAccepted) {
      unanswered.splice(unanswered.indexOf(event), 1);
      if (isAccepted) retry();
      else if (isAccepted === false) keep([event]);
    });
  }

  // The path alone tells pages apart, as in the numbers.
  function navigated() {
    var now = page();
    if (now == here) return;
    here = now;
    track("page_view");
  }

  function follow(name) {
    var original = history[name];
    if (!original) return;
    history[name] = function () {
      var result = original.apply(this, arguments);
      navigated();
      return result;
    };
  }

  function footfall(type, properties) {
    try {
      track(type, { properties: properties });
    } catch (_) {}
  }

  function start() {
    here = page();
    track("page_view", { referrer: document.referrer, title: document.title });
    ((called && called.q) || []).forEach(function (given) {
      footfall.apply(null, given);
    });
    follow("pushState");
    follow("replaceState");
    window.addEventListener("popstate", navigated);
    window.addEventListener("hashchange", navigated);
  }

  footfall.version = 1;
  window.footfall = footfall;

  document.addEventListener("visibilitychange", function () {
    if (document.visibilityState == "hidden" && !hasLeft) retry();
  });
  // It may never be known what became of these: they are sent again, and count once.
  window.addEventListener("pagehide", function () {
    hasLeft = true;
    retry();
    keep(unanswered);
  });
  window.addEventListener("pageshow", function (event) {
    hasLeft = false;
    // Out of the back/forward cache, it is viewed again.
    if (event.persisted) track("page_view");
  });

  if (document.prerendering) document.addEventListener("prerenderingchange", start);
  else start();
})(window, document);
