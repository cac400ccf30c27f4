// Links to CSV. They are plain links; where a key is needed, which a link cannot send, the file is
// asked for here and handed over.

import { address, key, request } from "./api.js";
import { announce } from "./dom.js";

export function setCsv(link, route, parameters, name) {
  link.href = address(route, { ...parameters, format: "csv" });
  link.download = `${name}.csv`;
  link.onclick = (event) => {
    if (!key() || link.href.startsWith("blob:")) return;
    event.preventDefault();
    handOver(link.href, link.download);
  };
}

async function handOver(url, name) {
  try {
    const blob = await (await request(url)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    announce(`The file could not be fetched: ${error.message}`);
  }
}

export const fileName = (...parts) => parts.join("-").replace(/[^\w.-]+/g, "_");
