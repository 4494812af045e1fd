// Numbers, times and conditions as people read them.
import { el, plain } from "./dom.js";

export const CONDITIONS = {
  Alarm: ["alarm", "‼"],
  Warning: ["warning", "!"],
  Silent: ["silent", "∅"],
  Changed: ["changed", "↻"],
  Unusual: ["unusual", "≈"],
  Well: ["well", ""],
  Unheard: ["says nothing", ""],
};

const minus = (text) => text.replace(/^-/, "−");

export const number = (value) => minus(String(Number(value.toPrecision(4))));
// For columns, in which equal digits mean equal care.
export const exact = (value) => minus(value === 0 ? "0" : Number.isInteger(value) && Math.abs(value) >= 1000 ? String(value) : value.toPrecision(4));
export const tenths = (value) => minus((Math.abs(value) < 0.05 ? 0 : value).toFixed(1));

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function bytes(count) {
  let at = 0;
  while (count >= 1000 && at < UNITS.length - 1) {
    count /= 1000;
    at += 1;
  }
  return `${count >= 100 || at === 0 ? Math.round(count) : Number(count.toFixed(1))} ${UNITS[at]}`;
}

export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  if (whole < 172800) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} days`;
}

export function clock(moment) {
  const at = new Date(moment);
  const time = at.toTimeString().slice(0, 8);
  return Date.now() - at < 86400000 ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

export const time = (moment) => el("time", { datetime: moment, title: moment }, clock(moment));

const MOMENT = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

// Names have hyphens, at which no line should end.
const unbroken = (text) => text.split(/(\S{1,16}-\S{1,16})/).map((part, at) => (at % 2 ? el("span", { class: "whole" }, part) : part));

// A sentence of the agent, its times as they are on the wall.
export const sentence = (text) =>
  plain(text).split(MOMENT).flatMap((part, at) => (at % 2 && !Number.isNaN(Date.parse(part)) ? [time(part)] : unbroken(part)));

export const several = (count, one, more) => `${count} ${count === 1 ? one : more}`;

export const inWords = (camel) => camel.replace(/(?<!^)([A-Z])/g, " $1").replace(/(?<=.)[A-Z]/g, (x) => x.toLowerCase());
