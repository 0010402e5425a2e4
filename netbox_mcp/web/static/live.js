// Keeps the part of a page that names a stream up to date. Without it the page loads itself again.
"use strict";

(() => {
  const part = document.querySelector("[data-events]");
  if (!part) return;
  const say = document.getElementById("say");
  const stopped = document.getElementById("stopped");
  let stream = null;
  let over = false;

  // What is there is changed where it differs and not made anew: nobody's focus, selection or click is lost.
  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined);
  const isSame = (one, other) => one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

  const change = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name); // what somebody has unfolded
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    changeChildren(old, fresh);
  };

  const changeChildren = (old, fresh) => {
    let at = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      let found = at;
      while (found && !isSame(found, wanted)) found = found.nextSibling;
      if (!found) {
        old.insertBefore(wanted, at);
        continue;
      }
      while (at !== found) at = leave(at);
      change(found, wanted);
      at = found.nextSibling;
    }
    while (at) at = leave(at);
  };

  const leave = (node) => {
    const next = node.nextSibling;
    node.remove();
    return next;
  };

  const show = (view) => {
    const fresh = document.createElement("div");
    fresh.innerHTML = view.html; // escaped by the server, and the page runs no script but this file
    changeChildren(part, fresh);
    if (say.textContent !== view.say) say.textContent = view.say;
    document.title = `${view.title} · ${part.dataset.name}`;
    for (const one of document.querySelectorAll("[data-when]")) {
      one.hidden = !view.can.includes(one.dataset.when);
    }
    if (view.ended) {
      over = true;
      stream.close();
    }
  };

  const follow = () => {
    stream = new EventSource(part.dataset.events);
    stream.addEventListener("view", (event) => show(JSON.parse(event.data)));
    stream.addEventListener("open", () => { stopped.hidden = true; });
    stream.addEventListener("error", () => {
      // A connection that is lost is made again by the browser; a refusal is final.
      if (stream.readyState === EventSource.CLOSED) stopped.hidden = false;
    });
  };

  // A tab that nobody sees needs no stream, and a browser has six connections to a server at most.
  document.addEventListener("visibilitychange", () => {
    if (over) return;
    stream.close();
    if (!document.hidden) follow();
  });
  follow();
})();
