// Keeps the page true: an event says that something changed, the server says what is shown.

import { connect } from "./vedette-events.js";
import { morph } from "./morph.js";

const TOGETHER = 120; // milliseconds in which further events join the same reading
const APART = 1000; // milliseconds between two readings
const FLOOR = 30000; // staleness comes without an event

const words = JSON.parse(document.getElementById("words").textContent);
const link = document.getElementById("link");
const trouble = document.getElementById("trouble");
const part = document.body.classList.contains("single") ? location.pathname : "/monitoring/now";

let readAt = 0, reading = false, again = false, timer = 0, skew = 0, live = false, leaving = false, trueAt = new Date();

function say(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function show(state) {
  const text = state === "reconnecting" ? say("link.reconnecting", { time: clock(trueAt) }) : say(`link.${state}`);
  if (link.textContent !== text) link.textContent = text;
  link.dataset.state = state;
}

function clock(date) {
  return date.toLocaleTimeString("en-GB", { hour12: false });
}

function refresh() {
  if (timer || leaving) return;
  timer = setTimeout(read, Math.max(TOGETHER, readAt + APART - Date.now()));
}

async function read() {
  timer = 0;
  if (reading) {
    again = true;
    return;
  }
  reading = true;
  try {
    const reply = await fetch(part, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (reply.status === 401 || reply.url.includes("/sign-in")) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
    else if (reply.ok) put(await reply.text());
  } catch {
    // The stream tells of a lost server, and the page is read again when it is back.
  } finally {
    readAt = Date.now();
    reading = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

function put(text) {
  const wanted = new DOMParser().parseFromString(text, "text/html").getElementById("board");
  if (!wanted) return;
  const board = document.getElementById("board");
  const before = board.dataset.worst;
  const focused = document.activeElement;
  morph(board, document.adoptNode(wanted));
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  trueAt = new Date();
  skew = new Date(board.dataset.now) - trueAt;
  document.title = board.dataset.title;
  if (before !== board.dataset.worst) document.querySelector("link[rel=icon]").href = `/static/icon-${board.dataset.worst}.svg`;
}

function ago(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return say("ago.seconds", { n: whole });
  if (whole < 3600) return say("ago.minutes", { n: Math.floor(whole / 60) });
  if (whole < 86400) return say("ago.hours", { n: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
  return say("ago.days", { n: Math.floor(whole / 86400), m: Math.floor((whole % 86400) / 3600) });
}

function age() {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = say(time.dataset.age, { ago: ago((Date.now() + skew - new Date(time.dateTime)) / 1000) });
    if (time.textContent !== text) time.textContent = text;
  }
}

async function act(form) {
  const buttons = form.parentElement.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  trouble.hidden = true;
  try {
    const reply = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "X-Vedette-Script": "1", Accept: "application/problem+json" } });
    if (!reply.ok) complain(say("link.refused", { detail: (await reply.json()).detail }));
  } catch {
    complain(say("link.failed"));
  }
  buttons.forEach((button) => (button.disabled = false));
  readAt = 0;
  await read();
  if (document.activeElement === document.body) document.getElementById("alerts")?.focus({ preventScroll: true });
}

function complain(text) {
  trouble.textContent = text;
  trouble.hidden = false;
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-act]")) {
    event.preventDefault();
    act(event.target);
  } else {
    leaving = true; // signing out would otherwise be told to this page, which may no longer ask
    events.close();
  }
});

const events = connect({ url: "/api/v1/events/stream" });
show("connecting");
events.on("*", refresh);
events.on("connected", () => { live = true; show("live"); });
events.on("disconnected", () => {
  if (live) {
    live = false;
    trueAt = new Date();
  }
  show("reconnecting");
});
setInterval(age, 1000);
setInterval(() => live && refresh(), FLOOR);
addEventListener("pageshow", (event) => event.persisted && refresh());
