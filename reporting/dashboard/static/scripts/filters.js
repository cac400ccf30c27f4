// The filters in force, as chips that take them away.

import { CROSS, byId, h, icon } from "./dom.js";
import { nameOf } from "./format.js";
import { DIMENSIONS, withoutFilter } from "./state.js";

export function showFilters(filters, change) {
  const root = byId("filters");
  const chosen = Object.entries(filters);
  root.hidden = chosen.length === 0;
  const chips = chosen.map(([dimension, value]) => {
    const name = nameOf(dimension, value);
    return h(
      "button",
      {
        type: "button",
        class: "chip",
        title: name,
        "aria-label": `Remove filter ${DIMENSIONS[dimension]}: ${name}`,
        onclick: () => change({ filters: withoutFilter(filters, dimension) }),
      },
      h("span", {}, `${DIMENSIONS[dimension]} `, h("b", {}, name)),
      icon(CROSS),
    );
  });
  const clear = h(
    "button",
    { type: "button", class: "quiet", onclick: () => change({ filters: {} }) },
    "Clear all",
  );
  root.replaceChildren(...chips, ...(chosen.length > 1 ? [clear] : []));
}
