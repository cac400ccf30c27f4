(function (window, document) {
"use strict";
var script = document.currentScript || document.querySelector("script[data-site]");
var called = window.footfall;
if (!script || (called && called.version)) return;
var site = script.getAttribute("data-site");
var url = script.src.split(/[?#]/)[0].replace(/[^/]*$/, "event?users=hashed");
var countsHash = script.hasAttribute("data-hash");
var QUEUE = "footfall_queue";
var SESSION = "footfall_session";
var MAX_QUEUE = 20;
var MAX_AGE_MS = 864e5;
var SESSION_MS = 18e5;
var memory = {};
var unanswered = [];
var hasLeft;
var here;
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
function sessionId(now) {
var parts = (load("sessionStorage", SESSION) || "").split(" ");
var id = now - parts[1] < SESSION_MS ? parts[0] : randomId();
save("sessionStorage", SESSION, id + " " + now);
return id;
}
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
function keep(events) {
if (!events.length) return;
save("localStorage", QUEUE, JSON.stringify(waiting().concat(events).slice(-MAX_QUEUE)));
}
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
function send(body, done) {
if (document.visibilityState == "hidden" || !window.fetch) {
done(navigator.sendBeacon && navigator.sendBeacon(url, body) ? null : false);
return;
}
fetch(url, { method: "POST", body: body, keepalive: true, credentials: "omit" }).then(
function (answer) {
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
window.addEventListener("pagehide", function () {
hasLeft = true;
retry();
keep(unanswered);
});
window.addEventListener("pageshow", function (event) {
hasLeft = false;
if (event.persisted) track("page_view");
});
if (document.prerendering) document.addEventListener("prerenderingchange", start);
else start();
})(window, document);
