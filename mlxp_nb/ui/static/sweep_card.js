// The card of a sweep. The kernel decides every word and number; this file draws them, asks again
// each second while the card can be seen, and never writes a value as markup.

const SVG = "http://www.w3.org/2000/svg";
const POLL_MS = 1000;
const STALE_S = 4; // three questions without an answer, and the one under way
const RETRY_MS = [2000, 4000, 10000]; // a kernel that is silent is asked ever more seldom
const SAY_MS = 10000; // a screen reader hears the counts at most this often

// ---------------------------------------------------------------- nodes

function node(name, cls, ...inside) {
  const made = document.createElement(name);
  if (cls) made.className = cls;
  made.append(...inside.filter((part) => part !== "" && part != null));
  return made;
}

const span = (cls, ...inside) => node("span", cls, ...inside);

function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function attribute(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

function svg(parts, cls, box) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", cls);
  made.setAttribute("viewBox", box);
  made.setAttribute("aria-hidden", "true");
  for (const [name, attributes] of parts) {
    const part = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    made.append(part);
  }
  return made;
}

const mark = (shape) => svg(shape.parts, "xp-mark", "0 0 12 12");
const cross = () => svg([["path", { d: "M4 4l8 8M12 4l-8 8" }]], "", "0 0 16 16");

// Else one-letter commands of JupyterLab fire on what has the focus. It looks for this on the
// focused element itself: its selectors match there before they come to an ancestor.
function keepKeys(target) {
  target.dataset.lmSuppressShortcuts = "true";
  return target;
}

function button(text, cls, onclick) {
  const made = keepKeys(node("button", `xp-btn ${cls}`, text));
  made.type = "button";
  made.addEventListener("click", onclick);
  return made;
}

const age = (s) => {
  const whole = Math.floor(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}`;
};

const clock = (ms) =>
  new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

// The time of day; before today the day as well.
function moment(ms) {
  const [then, today] = [new Date(ms), new Date()].map((at) => at.toLocaleDateString("sv"));
  return then === today ? clock(ms) : `${then} ${clock(ms)}`;
}

const runs = (n) => (n === 1 ? "1 run" : `${n.toLocaleString("en")} runs`);

// ---------------------------------------------------------------- the upper part: what was launched

function drawHead(card) {
  const count = span("xp-count", `${card.total} `, span("xp-eq", card.sum));
  const name = span("xp-name xp-v", [card.shape, card.name].filter(Boolean).join(", "));
  return [count, name];
}

function drawAxes(axes) {
  return axes.flatMap((axis) => {
    const key = span("xp-code xp-key xp-v", span("xp-dim", axis.front), axis.last);
    key.title = axis.key;
    const chips = axis.values.map((value) => {
      const chip = span("xp-tag xp-v", value);
      chip.title = value;
      return chip;
    });
    if (axis.rest) chips.push(span("xp-tag xp-rest", `+${axis.rest}`));
    return [key, span("xp-n", String(axis.n)), span("xp-vals", ...chips)];
  });
}

function drawFact(fact) {
  const value = span(fact.code ? "xp-code xp-v" : "xp-v", fact.value);
  const beside = fact.beside ? [" ", span("xp-dim", fact.beside)] : [];
  const first = node("dd", "", value, ...beside);
  first.title = [fact.value, fact.beside].filter(Boolean).join(" ");
  const second = node("dd", "xp-s", fact.under);
  second.title = fact.under;
  return node("div", "", node("dt", "", fact.name), first, second);
}

// ---------------------------------------------------------------- one run

class Line {
  constructor(id, card) {
    this.id = id;
    this.card = card;
    this.root = node("div", "xp-run");
    this.body = node("div", "");
    this.chip = span("");
    this.number = span("xp-num", String(id));
    this.what = span("xp-what");
    this.log = button("Log", "xp-sm xp-bare", () => card.toggleLog(id));
    this.log.setAttribute("aria-label", `Log of run ${id}`);
    this.log.setAttribute("aria-expanded", "false");
    this.stop = button("", "xp-sm xp-bare", () => card.cancelOne(id));
    this.stop.append(cross());
    this.stop.title = "Cancel this run";
    this.stop.setAttribute("aria-label", `Cancel run ${id}`);
    this.acts = span("xp-acts", this.log, this.stop);
    this.parts = Object.fromEntries(
      ["why", "sig", "time", "node", "att", "tb", "after"].map((name) => [name, span(`xp-${name}`)]),
    );
    this.parts.time.classList.add("xp-num");
    this.parts.att.classList.add("xp-dim");
    this.parts.after.className = "xp-dim";
    this.root.append(this.body);
  }

  draw(line, kind) {
    const said = JSON.stringify([line, kind, this.card.asked.has(line.id)]);
    if (said === this.said) return;
    this.said = said;
    this.drawChip(line);
    this.drawWhat(line);
    this.log.hidden = !line.has_log;
    this.stop.hidden = !line.open;
    this.stop.disabled = this.card.asked.has(line.id);
    if (kind === "bad") this.drawBad(line);
    else this.drawUsual(line);
  }

  drawChip(line) {
    if (this.state !== line.state) {
      const shape = this.card.shapes[line.state];
      const cls = `xp-st xp-${shape.tone} xp-${line.state}${shape.tint ? " xp-tint" : ""}`;
      this.chip.replaceChildren(span(cls, mark(shape), line.state));
      this.state = line.state;
    }
    attribute(this.chip, "title", line.evidence);
  }

  drawWhat(line) {
    const said = JSON.stringify(line.varies);
    if (said === this.varies) return;
    this.varies = said;
    const values = line.varies.map(([, short, value]) =>
      span("xp-v", ...(short ? [span("xp-dim", short), " "] : []), value),
    );
    this.what.replaceChildren(...values, this.parts.after);
    this.what.title = line.varies.map(([key, , value]) => `${key}=${value}`).join(", ");
  }

  arrange(kind, ...parts) {
    if (this.kind === kind) return;
    this.kind = kind;
    this.body.className = kind === "bad" ? "xp-fail" : "xp-ln";
    this.body.replaceChildren(this.chip, this.number, this.what, ...parts, this.acts);
  }

  drawBad(line) {
    const { tb, after } = this.parts;
    this.arrange("bad", tb);
    write(after, line.after);
    tb.className = `xp-tb xp-v xp-${this.card.shapes[line.state].tone}`;
    tb.replaceChildren(line.error, " ", span("xp-dim", line.where));
    tb.title = line.error;
  }

  drawUsual(line) {
    const { why, sig, time, node: host, att, after } = this.parts;
    this.arrange("usual", why, time, host, att);
    const asked = line.open && this.card.asked.has(line.id);
    write(after, line.open ? "" : line.after);
    write(sig, asked ? "" : line.sign && line.heard ? `, ${line.heard}` : line.heard);
    why.replaceChildren(span("xp-v", asked ? "cancel asked for" : line.sign), sig);
    why.title = why.textContent;
    write(time, line.time);
    write(host, line.host);
    host.title = line.host;
    write(att, line.attempt);
  }

  openLog() {
    this.pane = keepKeys(node("pre", "xp-log"));
    this.pane.tabIndex = 0;
    this.pane.setAttribute("role", "region");
    this.pane.setAttribute("aria-label", `Last lines of the log of run ${this.id}`);
    this.pane.textContent = "reading…";
    this.root.append(this.pane);
    this.log.setAttribute("aria-expanded", "true");
    write(this.log, "Close");
  }

  closeLog() {
    this.pane?.remove();
    this.pane = undefined;
    this.log.setAttribute("aria-expanded", "false");
    write(this.log, "Log");
  }

  drawLog(log) {
    if (!this.pane || !log) return;
    const text = log.error ?? (log.text || "nothing printed yet");
    if (this.pane.textContent === text) return;
    const { scrollTop, scrollHeight, clientHeight } = this.pane;
    const atEnd = scrollTop + clientHeight >= scrollHeight - 20;
    this.pane.textContent = text;
    if (atEnd) this.pane.scrollTop = this.pane.scrollHeight;
  }
}

// ---------------------------------------------------------------- a section of runs

class Section {
  constructor() {
    this.title = span("xp-h");
    this.n = span("xp-dim");
    this.tip = span("xp-end xp-tip");
    this.lines = node("div", "xp-lines");
    this.more = node("div", "xp-more");
    this.root = node("div", "", node("div", "xp-lsec", this.title, this.n, this.tip), this.lines, this.more);
    this.root.setAttribute("role", "group");
  }

  draw(section, lineOf) {
    write(this.title, section.title);
    write(this.n, section.n.toLocaleString("en"));
    write(this.tip, section.tip);
    attribute(this.root, "aria-label", section.title);
    section.lines.forEach((line, i) => {
      const drawn = lineOf(line.id);
      drawn.draw(line, section.kind);
      if (this.lines.children[i] !== drawn.root) {
        this.lines.insertBefore(drawn.root, this.lines.children[i] ?? null);
      }
    });
    write(this.more, section.more);
    this.more.title = section.more;
    this.more.hidden = !section.more;
  }
}

// ---------------------------------------------------------------- the card

class Card {
  constructor(shapes, ask) {
    this.shapes = shapes;
    this.ask = ask;
    this.lines = new Map();
    this.sections = new Map();
    this.logs = new Set();
    this.asked = new Set();
    this.lastSaid = -Infinity;
    this.build();
  }

  build() {
    this.cancel = button("Cancel sweep", "", () => this.cancelAll());
    this.top = node("div", "xp-top");
    this.axes = node("div", "xp-axes");
    this.facts = node("dl", "xp-facts");
    this.head = node("b", "");
    this.left = span("xp-dim");
    this.basis = span("xp-tip xp-basis");
    this.live = span("xp-live xp-end", "");
    this.progress = node("div", "xp-top", this.head, this.left, this.basis, this.live);
    this.question = node("div", "xp-top xp-ask");
    this.question.hidden = true;
    this.bar = node("div", "xp-bar");
    this.bar.setAttribute("role", "img");
    this.legend = node("div", "xp-legend");
    this.problem = this.note(false);
    this.failure = this.note(true);
    this.body = node("div", "xp-body");
    this.view = node(
      "div", "xp-lv", this.progress, this.question, this.bar, this.legend,
      this.problem.root, this.failure.root, this.body,
    );
    this.said = node("div", "xp-said");
    this.said.setAttribute("role", "status");
    this.said.setAttribute("aria-live", "polite");
    const upper = node("div", "xp-card", this.top, this.axes, this.facts);
    this.root = keepKeys(node("section", "xp xp-sweep", upper, this.view, this.said));
    this.root.tabIndex = -1;
    this.root.addEventListener("keydown", (event) => this.escape(event));
    this.root.addEventListener("pointerleave", () => this.release());
  }

  note(canClose) {
    const text = span("xp-v");
    const root = node("div", "xp-problem", text);
    root.hidden = true;
    root.setAttribute("role", "alert");
    if (canClose) root.append(button("Dismiss", "xp-sm xp-end", () => (root.hidden = true)));
    return { root, show: (said) => { write(text, said); root.hidden = !said; } };
  }

  // What the kernel knows, drawn. Nodes are kept, so that focus, hover and open logs stay.
  draw(card, logs = {}) {
    this.id = card.id;
    this.over = card.over;
    this.active = card.active;
    this.drawOnce(card);
    this.cancel.disabled = card.over;
    write(this.head, card.head);
    const ends = card.left_s >= 60 ? `, ends near ${clock(Date.now() + card.left_s * 1000)}` : "";
    write(this.left, card.left + ends);
    write(this.basis, card.basis);
    this.drawBar(card.bar);
    this.problem.show(card.problem);
    this.drawSections(card.sections);
    for (const [id, log] of Object.entries(logs)) this.lines.get(Number(id))?.drawLog(log);
    if (card.over) this.closeQuestion(false);
    this.hold();
    this.say(card);
  }

  drawOnce(card) {
    const said = JSON.stringify([card.total, card.sum, card.shape, card.name, card.axes, card.facts]);
    if (said === this.once) return;
    this.once = said;
    attribute(this.root, "aria-label", `Sweep ${card.name || card.id}`);
    this.top.replaceChildren(...drawHead(card), span("xp-end"), this.cancel);
    this.axes.replaceChildren(...drawAxes(card.axes));
    this.facts.replaceChildren(...card.facts.map(drawFact));
  }

  drawBar(pieces) {
    const said = JSON.stringify(pieces);
    if (said === this.pieces) return;
    this.pieces = said;
    attribute(
      this.bar, "aria-label",
      pieces.filter((p) => p.n).map((p) => `${p.n} ${p.word}`).join(", "),
    );
    const kinds = pieces.map((piece) => piece.kind).join();
    if (kinds !== this.kinds) {
      this.kinds = kinds;
      this.bar.replaceChildren(...pieces.map((p) => node("i", this.tone(p))));
      this.legend.replaceChildren(
        ...pieces.map((p) => span("", mark(this.shapes[p.kind]), node("b", ""), p.word)),
      );
    }
    pieces.forEach((piece, i) => {
      this.bar.children[i].style.flexGrow = piece.n;
      this.bar.children[i].style.setProperty("--p", `${100 * (piece.done ?? 1)}%`);
      this.bar.children[i].classList.toggle("xp-zero", !piece.n);
      const entry = this.legend.children[i];
      entry.className = this.tone(piece) + (piece.n ? "" : " xp-nil");
      write(entry.querySelector("b"), piece.n.toLocaleString("en"));
    });
  }

  tone(piece) {
    return `xp-${piece.kind} xp-${this.shapes[piece.kind].tone}`;
  }

  drawSections(sections) {
    // A node that is moved forgets focus and scroll.
    const focused = this.root.contains(document.activeElement) ? document.activeElement : null;
    const panes = [...this.lines.values()].flatMap((line) => (line.pane ? [line.pane] : []));
    const scrolled = panes.map((pane) => pane.scrollTop);
    for (const section of sections) {
      if (!this.sections.has(section.kind)) this.sections.set(section.kind, new Section());
    }
    sections.forEach((section, i) => {
      const drawn = this.sections.get(section.kind);
      drawn.draw(section, (id) => this.line(id));
      if (this.body.children[i] !== drawn.root) {
        this.body.insertBefore(drawn.root, this.body.children[i] ?? null);
      }
    });
    this.drop(sections);
    panes.forEach((pane, i) => (pane.scrollTop = scrolled[i]));
    if (focused && document.activeElement !== focused) {
      (focused.isConnected && !focused.disabled ? focused : this.root).focus({ preventScroll: true });
    }
  }

  drop(sections) {
    const kinds = new Set(sections.map((section) => section.kind));
    for (const [kind, drawn] of this.sections) if (!kinds.has(kind)) drawn.root.remove();
    const ids = new Set(sections.flatMap((section) => section.lines.map((line) => line.id)));
    for (const [id, line] of this.lines) {
      if (ids.has(id)) continue;
      line.root.remove();
      this.lines.delete(id);
      this.asked.delete(id);
    }
  }

  line(id) {
    if (!this.lines.has(id)) this.lines.set(id, new Line(id, this));
    return this.lines.get(id);
  }

  toggleLog(id) {
    this.forget();
    if (this.logs.delete(id)) this.lines.get(id).closeLog();
    else {
      this.logs.add(id);
      this.lines.get(id).openLog();
    }
    this.ask("view");
  }

  // Cancelling: one run at once, more after a question in place of the line above the bar.
  cancelOne(id) {
    this.asked.add(id);
    this.lines.get(id).stop.disabled = true;
    this.ask("cancel", { runs: [id] });
  }

  cancelAll() {
    if (this.active <= 1) return this.confirm();
    this.question.replaceChildren(
      span("", "Cancel ", node("b", "", runs(this.active)), "?"),
      span("xp-tip", "What is complete is kept, and so are the logs."),
      span("xp-end"),
      button(`Cancel ${runs(this.active)}`, "xp-sm xp-go", () => this.confirm()),
      button("Keep running", "xp-sm", () => this.closeQuestion(true)),
    );
    this.progress.hidden = true;
    this.question.hidden = false;
    this.question.querySelector(".xp-go").focus();
  }

  confirm() {
    this.ask("cancel", { all: true });
    for (const [id, line] of this.lines) if (!line.stop.hidden) this.asked.add(id);
    this.closeQuestion(true);
  }

  closeQuestion(giveBack) {
    if (this.question.hidden) return;
    const had = this.question.contains(document.activeElement);
    this.question.hidden = true;
    this.progress.hidden = false;
    if (giveBack || had) (this.cancel.disabled ? this.root : this.cancel).focus({ preventScroll: true });
  }

  escape(event) {
    if (event.key !== "Escape" || this.question.hidden) return;
    event.stopPropagation();
    this.closeQuestion(true);
  }

  // While runs come and go the card never gets shorter, so that what is under it stays.
  hold() {
    const height = this.body.scrollHeight;
    if (this.over) return this.release();
    if (!(height > (this.held ?? 0))) return;
    this.held = height;
    this.body.style.minHeight = `${height}px`;
  }

  release() {
    if (this.over && !this.root.matches(":hover")) this.forget();
  }

  forget() {
    this.held = 0;
    this.body.style.minHeight = "";
  }

  say(card) {
    const bad = card.sections.find((section) => section.kind === "bad");
    const text = card.head + (bad ? `, ${bad.n} ended badly` : "") + (card.over ? ", over" : "");
    const now = performance.now();
    if (text === this.said.textContent || (now - this.lastSaid < SAY_MS && !card.over)) return;
    this.lastSaid = now;
    write(this.said, text);
  }

  lost() {
    this.closeQuestion(true);
    this.cancel.disabled = true;
    this.live.classList.add("xp-stale");
    write(this.live, "kernel gone");
    this.failure.show(
      "The kernel that this card belongs to is gone; the runs go on. " +
        `To watch them again: mlxp_nb.open_sweep(${JSON.stringify(this.id)})`,
    );
  }

  // How old what is shown is, and why when it is too old.
  fresh(seconds, silent, ended) {
    const stale = !this.over && seconds >= STALE_S;
    this.live.classList.toggle("xp-stale", stale);
    this.live.classList.toggle("xp-over", this.over);
    if (this.over) write(this.live, ended ? `ended ${moment(ended * 1000)}` : "");
    else if (stale) write(this.live, `stale ${age(seconds)}`);
    else write(this.live, seconds < 2 ? "updated now" : `updated ${age(seconds)} ago`);
    const why = silent ? "The kernel does not answer: it is busy or gone" : "The kernel answers, with what it knew then";
    attribute(this.live, "title", stale ? `${why} (${age(seconds)})` : "");
  }
}

// ---------------------------------------------------------------- asking

class Poll {
  constructor(model, el) {
    this.model = model;
    this.card = new Card(model.get("shapes"), (kind, more) => this.ask(kind, more));
    this.seen = false;
    this.waiting = 0; // when the question was asked that has no answer yet
    this.tries = 0;
    const state = model.get("state");
    this.take(state, Math.max(Date.now() / 1000 - state.taken, 0));
    el.append(this.card.root);
    this.onMessage = (message) => this.receive(message);
    this.onHidden = () => this.awake();
    model.on("msg:custom", this.onMessage);
    document.addEventListener("visibilitychange", this.onHidden);
    this.observer = new IntersectionObserver((entries) => {
      this.seen = entries.at(-1).isIntersecting;
      this.awake();
    });
    this.observer.observe(this.card.root);
  }

  // Starts when the card comes into view, stops when it leaves, its tab is hidden, or all is over.
  awake() {
    const isOpen = !this.card.over && !this.gone;
    const on = isOpen && this.seen && document.visibilityState === "visible";
    if (on && !this.timer) {
      this.timer = setInterval(() => this.tick(), POLL_MS);
      this.tick();
    }
    if (!on && this.timer) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
    this.refresh();
  }

  tick() {
    const patience = RETRY_MS[Math.min(this.tries, RETRY_MS.length) - 1] ?? 0;
    if (!this.waiting || performance.now() - this.waiting > patience) this.ask("view");
    this.refresh();
  }

  ask(kind, more = {}) {
    if (kind === "view") {
      this.tries = this.waiting ? this.tries + 1 : 1;
      this.waiting = performance.now();
    }
    const theme = document.body.dataset.jpThemeLight === "false" ? "dark" : "light";
    try {
      this.model.send({ ask: kind, logs: [...this.card.logs], theme, ...more });
    } catch {
      this.gone = true; // the comm was closed with its kernel, and will not come back
      this.card.lost();
      this.awake();
    }
  }

  receive(message) {
    if (message.to === "view") {
      this.waiting = 0;
      if (message.error) this.card.problem.show(message.error);
      else this.take(message.card, message.age, message.logs);
      this.awake();
    } else {
      this.card.failure.show(message.error ?? "");
      if (message.error) this.card.asked.clear();
      this.ask("view");
    }
  }

  take(card, ageS, logs) {
    this.taken = performance.now() - ageS * 1000;
    this.ended = card.ended;
    this.card.draw(card, logs);
    this.refresh();
  }

  refresh() {
    if (this.gone) return;
    const silent = this.tries > 1 && this.waiting;
    this.card.fresh((performance.now() - this.taken) / 1000, silent, this.ended);
  }

  end() {
    clearInterval(this.timer);
    this.observer.disconnect();
    document.removeEventListener("visibilitychange", this.onHidden);
    this.model.off("msg:custom", this.onMessage);
  }
}

export default {
  render({ model, el }) {
    const poll = new Poll(model, el);
    return () => poll.end();
  },
};
