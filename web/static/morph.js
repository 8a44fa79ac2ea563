// Bring what is shown to what the server says now, touching only what differs: focus, selection and open details stay.

export function morph(shown, wanted) {
  if (shown.nodeType !== wanted.nodeType || shown.nodeName !== wanted.nodeName || shown.id !== wanted.id) {
    shown.replaceWith(wanted);
    return;
  }
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    if (shown.nodeValue !== wanted.nodeValue) shown.nodeValue = wanted.nodeValue;
    return;
  }
  attributes(shown, wanted);
  children(shown, wanted);
}

function attributes(shown, wanted) {
  for (const { name } of [...shown.attributes]) {
    if (!wanted.hasAttribute(name) && !(shown.nodeName === "DETAILS" && name === "open")) shown.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
}

function children(shown, wanted) {
  // What is gone goes first: then what stays need not be moved, which would cost it the focus.
  const staying = new Set([...wanted.children].map((child) => child.id));
  for (const child of [...shown.children]) if (child.id && !staying.has(child.id)) child.remove();
  const named = new Map([...shown.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = shown.firstChild;
  for (const next of [...wanted.childNodes]) {
    const known = next.id ? named.get(next.id) : place && !place.id && same(place, next) ? place : null;
    if (!known) {
      shown.insertBefore(next, place);
      continue;
    }
    if (known === place) place = place.nextSibling;
    else shown.insertBefore(known, place);
    morph(known, next);
  }
  while (place) {
    const rest = place.nextSibling;
    place.remove();
    place = rest;
  }
}

function same(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName;
}
