"use strict";
// How the page says numbers, and makes elements. A text from a record only ever becomes a text node.

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** @param {number} value seconds */
function seconds(value) {
  // A number and its unit stay on one line.
  return plainSeconds(value).replaceAll(" ", "\u00a0");
}

/** @param {number} value seconds */
function plainSeconds(value) {
  const size = Math.abs(value);
  if (size < 0.0000005) return "0";
  if (size < 0.000995) return `${Math.round(value * 1e6)} µs`;
  if (size < 0.0995) return `${(value * 1000).toFixed(size < 0.00995 ? 1 : 0)} ms`;
  if (size < 99.5) return `${value.toFixed(size < 9.95 ? 2 : 1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

/** @param {number} value */
function count(value) {
  return value.toLocaleString("en");
}

/**
 * @param {number} value
 * @param {string} one
 */
function plural(value, one) {
  return `${count(value)} ${one}${value === 1 ? "" : "s"}`;
}

/** @param {number} part */
function percent(part) {
  return `${Math.round(part * 100)}\u00a0%`;
}

/** @param {string} iso */
function moment(iso) {
  return iso.slice(0, 16).replace("T", " ");
}

/**
 * A test with what tells it apart first: its name, and below it its file.
 * @param {string} nodeid
 * @param {number} [line]
 */
function testName(nodeid, line = 0) {
  const cut = nodeid.indexOf("::");
  const file = cut < 0 ? nodeid : nodeid.slice(0, cut);
  const name = cut < 0 ? "" : nodeid.slice(cut + 2);
  const place = make("span", { class: "place" }, line ? `${file}:${line}` : file);
  return make("span", { class: "test", title: nodeid }, make("span", {}, name || file), name ? place : "");
}

/** @param {string} name of a variable of the style sheet */
function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
