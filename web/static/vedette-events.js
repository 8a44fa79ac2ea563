// The stream of events for any page: it comes back by itself, by id, and misses nothing that the server still holds.
//
//   import { connect } from "/static/vedette-events.js";
//   const events = connect({ url: "/api/v1/events/stream", token });
//   const undo = events.on("alert_triggered", ({ type, data, timestamp, id }) => …);
//
// connect({url, token, types}): all optional. token: a string, or a function that gives one (or a promise of one) for
// each connection, as tickets need. Besides the server's types there are "connected", "reset" (load your data afresh),
// "expired", and "disconnected" ({retry: milliseconds}). "*" hears the server's events, "connected" and "reset".

const FIRST = 1000;
const LONGEST = 30000;

const TYPES = [
  "deployment.started", "deployment.progress", "deployment.completed", "deployment.failed",
  "backup.started", "backup.completed", "backup.failed", "replica.health_updated", "replica.lag_alert",
  "alert_triggered", "alert_acknowledged", "alert_resolved", "server.connected", "server.health_updated",
  "task_status", "quota.warning", "quota.exceeded", "permissions_changed", "role_permissions_changed",
  "migration_progress", "check.updated", "lock.acquired", "lock.released", "lock.expired", "session.changed",
  "notification.sent", "notification.failed", "config.reloaded", "config.rejected", "log.line",
];

export function connect({ url = "/api/v1/events/stream", token = null, types = "" } = {}) {
  const listeners = new Map();
  let source = null, last = null, wait = FIRST, timer = 0, closed = false, attempt = 0;

  function tell(type, event) {
    for (const fn of [...(listeners.get(type) ?? [])]) fn(event);
    if (type === "disconnected" || type === "expired") return;
    for (const fn of [...(listeners.get("*") ?? [])]) fn(event);
  }

  function hear(message) {
    if (message.lastEventId) last = message.lastEventId;
    const event = JSON.parse(message.data);
    tell(message.type, { ...event, id: message.lastEventId ? Number(message.lastEventId) : null });
  }

  function plain(type, message) {
    tell(type, { type, data: JSON.parse(message.data), timestamp: null, id: null });
  }

  async function open() {
    const mine = ++attempt;
    const address = new URL(url, globalThis.location?.href);
    try {
      const shown = typeof token === "function" ? await token() : token;
      if (shown) address.searchParams.set("token", shown);
    } catch {
      return later();
    }
    if (closed || mine !== attempt) return;
    if (types) address.searchParams.set("types", types);
    // A new EventSource sends no Last-Event-ID, and after a proxy's 502 the old one never comes back.
    if (last !== null) address.searchParams.set("last_event_id", last);
    source = new EventSource(address, { withCredentials: address.origin === globalThis.location?.origin });
    const heard = new Set([...TYPES, ...listeners.keys()]);
    for (const type of heard) if (!RESERVED.has(type)) source.addEventListener(type, hear);
    source.addEventListener("connected", (message) => {
      wait = FIRST;
      last = String(JSON.parse(message.data).last_event_id);
      plain("connected", message);
    });
    source.addEventListener("reset", (message) => plain("reset", message));
    source.addEventListener("expired", (message) => plain("expired", message));
    source.onerror = later;
  }

  function later() {
    source?.close();
    source = null;
    if (closed) return;
    clearTimeout(timer);
    tell("disconnected", { type: "disconnected", data: { retry: wait }, timestamp: null, id: null });
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, LONGEST);
  }

  function soon() {
    if (source === null && !closed) {
      clearTimeout(timer);
      wait = FIRST;
      open();
    }
  }

  globalThis.addEventListener?.("online", soon);
  open();

  return {
    /** Call fn for every event of the type ("*": of any). Returns its undo. */
    on(type, fn) {
      if (!listeners.has(type)) {
        listeners.set(type, new Set());
        if (source && !TYPES.includes(type) && !RESERVED.has(type)) source.addEventListener(type, hear);
      }
      listeners.get(type).add(fn);
      return () => listeners.get(type).delete(fn);
    },
    /** End it for good. */
    close() {
      closed = true;
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", soon);
      source?.close();
      source = null;
    },
    /** The id of the last event, to resume from. */
    get lastEventId() { return last; },
  };
}

const RESERVED = new Set(["*", "connected", "disconnected", "reset", "expired", "error", "open", "message"]);
