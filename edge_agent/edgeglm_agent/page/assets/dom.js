// Elements out of data. Names come from strangers: they become text and nothing else, and cannot turn what is around them.

const SVG = "http://www.w3.org/2000/svg";
// Controls, and what changes the direction of writing; joiners stay, some scripts need them.
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

export const plain = (text) => String(text).replace(UNSEEN, "\ufffd");

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export const el = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  made(document.createElementNS(SVG, tag), attributes, children);

// A name, isolated: one that is written from right to left stays where it is.
export const name = (text, attributes = {}) => el("bdi", { title: plain(text), ...attributes }, plain(text));

export const byId = (id) => document.getElementById(id);

// Make the children of an element those of the items, and let those that are there stay: so does the focus.
export function keep(parent, items, keyOf, make, fill) {
  const mine = [...parent.children].filter((child) => child.key !== undefined);
  const wanted = new Set(items.map(keyOf));
  const known = new Map();
  for (const child of mine) {
    if (wanted.has(child.key)) known.set(child.key, child);
    else child.remove();
  }
  let next = mine.find((child) => wanted.has(child.key)) ?? null;
  for (const item of items) {
    const child = known.get(keyOf(item)) ?? make(item);
    child.key = keyOf(item);
    fill(child, item);
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
}

// Write only what is new: who reads the page aloud need not hear the rest again.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
