// A page that is a whole bundle: it checks the recording in it as docs/format.md says, and plays it. It asks nobody for anything.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  // More is verified and not played: a browser would take gigabytes.
  const LARGEST_PLAYED = 256 * 1024 * 1024;
  const LARGEST_CHUNK = 64 * 1024 * 1024;
  const SPKI = "302a300506032b6570032100";

  const packed = JSON.parse(by("bundle").textContent);
  const files = new Map(Object.entries(packed).map(([path, text]) => [path, fromBase64(text)]));
  const under = (folder) => [...files.keys()].filter((path) => path.startsWith(folder)).sort();

  // What is wrong in one place does not keep the others from being looked at.
  class Wrong extends Error {}
  const need = (condition, otherwise) => {
    if (!condition) throw new Wrong(otherwise);
  };

  function fromBase64(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  function fromHex(digits) {
    need(/^([0-9a-f]{2})*$/.test(digits), "no hexadecimal digits");
    return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  }

  function hex(bytes) {
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function concat(...parts) {
    const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
    return all;
  }

  async function digest(bytes) {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  }

  const sha256 = async (bytes) => hex(await digest(bytes));
  const bytesOf = (text) => new TextEncoder().encode(text);

  // Whether this browser knows Ed25519; where it does not, no signature is checked, and that is said.
  let signatures = true;

  async function verifies(publicKey, message, digits) {
    need(/^[0-9a-f]{128}$/.test(digits), "it has no signature");
    if (!signatures) return;
    let key;
    try {
      key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    } catch (error) {
      if (error.name !== "NotSupportedError") throw error;
      signatures = false;
      return;
    }
    need(await crypto.subtle.verify({ name: "Ed25519" }, key, fromHex(digits), message), "its signature is wrong");
  }

  // One whole check of what is in this page, with the keys that the examiner trusts (ids; none where none were given).
  class Check {
    constructor(trusted) {
      this.trusted = new Set(trusted);
      this.asked = trusted.length > 0;
      this.stated = new Map();
      this.pairs = [];
      this.entries = [];
      this.steps = [];
      this.findings = [];
    }

    async step(what, run) {
      const before = this.findings.length;
      const detail = await this.attempt(what, run);
      this.steps.push({ what, ok: this.findings.length === before, detail: detail ?? "" });
    }

    async attempt(what, run) {
      try {
        return await run();
      } catch (error) {
        this.findings.push(`${what}: ${error instanceof Wrong ? error.message : `it cannot be read (${error.message})`}`);
        return undefined;
      }
    }

    async run() {
      await this.step("The keys' statements", () => this.keys());
      await this.step("Who introduced which key", () => this.introductions());
      this.spreadTrust();
      const manifest = under("recordings/").find((path) => path.endsWith("/manifest.json"));
      if (manifest) {
        await this.step("The manifest's signature", () => this.openManifest(manifest));
        await this.step("Every chunk, by the manifest's digests", () => this.chunks());
      }
      await this.step("The journal's entries, each by its proof", () => this.journal());
      if (this.manifest) await this.step("The journal vouches for this manifest", () => this.vouched());
      return this;
    }

    async keys() {
      for (const path of under("keys/")) {
        await this.attempt(path, async () => {
          const document = files.get(path);
          const said = JSON.parse(utf8.decode(document));
          const publicKey = fromHex(said.public);
          const id = (await sha256(publicKey)).slice(0, 32);
          need(path === `keys/${id}.json` && said.key === id, "it is the statement of another key");
          await this.open("key", document, publicKey);
          this.stated.set(id, { ...said, publicKey });
        });
      }
      return counted(this.stated.size, "key");
    }

    async introductions() {
      for (const [id, said] of this.stated) {
        if (!said.introduced_by) continue;
        await this.attempt(`keys/${id}.json`, async () => {
          const { key, journals, ed25519 } = said.introduced_by;
          const before = this.stated.get(key);
          need(before, `keys/${key}.json, which introduced it, is missing`);
          const heads = (journals ?? []).map((head) => `${head.gateway} ${head.seq} ${head.sha256}`);
          const format = journals === undefined ? 1 : 2;
          const lines = [`kubetape key introduction ${format}`, said.public, said.gateway, said.from_micros, ...heads];
          await verifies(before.publicKey, bytesOf(lines.map((line) => `${line}\n`).join("")), ed25519);
          need(before.gateway === said.gateway, "it was introduced by the key of another gateway");
          need(!this.pairs.some(([old]) => old === key), `${key} introduced another key as well`);
          this.pairs.push([key, id]);
        });
      }
      return this.pairs.length ? counted(this.pairs.length, "introduction") : "no key was replaced";
    }

    // Introductions carry trust both ways.
    spreadTrust() {
      for (let rounds = 0; rounds <= this.pairs.length; rounds++) {
        for (const pair of this.pairs) {
          if (pair.some((id) => this.trusted.has(id))) pair.forEach((id) => this.trusted.add(id));
        }
      }
    }

    // The members of a sealed document whose signature is right, by a key that was in use then and there.
    async open(kind, document, publicKey, journal, seq) {
      const members = JSON.parse(utf8.decode(document));
      const signature = members.signature;
      need(signature, "it is not signed");
      const message = document.subarray(0, document.length - 132);
      const tail = utf8.decode(document.subarray(document.length - 132));
      need(utf8.decode(message).endsWith('"ed25519":"') && tail === `${signature.ed25519}"}}\n`, "its signature is not in its place");
      const known = publicKey ?? this.stated.get(signature.key)?.publicKey;
      need(known, `it is signed by ${signature.key}, of which there is no statement`);
      need((await sha256(known)).slice(0, 32) === signature.key, "it is signed by another key");
      await verifies(known, concat(bytesOf(`kubetape ${kind} 1\n`), message), tail.slice(0, 128));
      if (kind !== "key") {
        need(!this.asked || this.trusted.has(signature.key), `it is signed by ${signature.key}, for which no key that you trust vouches`);
        this.inUse(signature, journal ?? this.stated.get(signature.key).gateway, seq);
      }
      return members;
    }

    inUse(signature, journal, seq) {
      const mine = this.stated.get(signature.key);
      const journals = [mine.gateway, `${mine.gateway.slice(0, 59)}-cli`, `${mine.gateway.slice(0, 50)}-import`];
      need(journals.includes(journal), `${signature.key} is the key of the gateway ${mine.gateway}`);
      const later = this.pairs.filter(([old]) => old === signature.key).map(([, id]) => this.stated.get(id));
      const end = Math.min(Infinity, ...later.map((key) => key.from_micros));
      need(mine.from_micros <= signature.micros && signature.micros <= end, `${signature.key} was not in use then`);
      if (seq === undefined) return;
      const begin = this.pairs.some(([, id]) => id === signature.key) ? border(mine, journal, 0) : 0;
      const last = Math.min(Infinity, ...later.map((key) => border(key, journal, Infinity)));
      need(begin <= seq && seq < last, `${signature.key} was not in use at this place of the journal`);
    }

    async openManifest(path) {
      const document = files.get(path);
      this.folder = path.slice(0, -"manifest.json".length);
      const manifest = await this.open("manifest", document);
      need(this.folder.endsWith(`/${manifest.session.id}/`), "it is the manifest of another recording");
      [this.manifest, this.manifestDigest] = [manifest, await sha256(document)];
      return `signed by ${manifest.signature.key}`;
    }

    async chunks() {
      need(this.manifest, "nothing says what they should be");
      const there = new Set(under(this.folder).filter((path) => path.endsWith(".cast.zst")));
      let previous = new Uint8Array(32);
      for (const [number, chunk] of this.manifest.chunks.entries()) {
        const path = `${this.folder}${String(number).padStart(6, "0")}.cast.zst`;
        const right = there.delete(path) && (await sha256(concat(previous, files.get(path)))) === chunk.digest;
        await this.attempt(path, () => need(right, "it is missing, altered, cut or in another one's place"));
        previous = fromHex(chunk.digest);
      }
      need(there.size === 0, `${[...there].join(", ")}: the manifest does not know of it`);
      return counted(this.manifest.chunks.length, "chunk");
    }

    async journal() {
      for (const path of under("entries/")) await this.attempt(path, () => this.entry(path));
      this.entries.sort((a, b) => a.micros - b.micros);
      const whole = under("journal/").length;
      return `entries: ${this.entries.length}` + (whole ? `; ${whole} whole objects of older journals are not looked into here` : "");
    }

    async entry(path) {
      const proof = JSON.parse(utf8.decode(files.get(path)));
      const said = JSON.parse(proof.seal);
      const found = /^journal\/([A-Za-z0-9._-]+)\/\d{4}\/\d\d\/\d\d\/(\d{12,})\.jsonl\.zst$/.exec(said.object);
      need(found, "its seal is not one of a journal");
      const [, gateway, number] = found;
      const seal = await this.open("journal", bytesOf(proof.seal), undefined, gateway, Number(number));
      need(path === `entries/${gateway}/${number}-${String(proof.line).padStart(6, "0")}.json`, "it is another entry");
      need((await climb(proof, seal.entries)) === seal.root, "it is not a line of its journal object");
      const entry = JSON.parse(proof.entry);
      need(entry.gateway === gateway, "it is another gateway's");
      this.entries.push(entry);
    }

    vouched() {
      const id = this.manifest.session.id;
      const about = this.entries.filter((entry) => entry.session === id);
      const stored = about.filter((entry) => entry.event === "session_stored");
      need(stored.every((entry) => entry.manifest_sha256 === this.manifestDigest), "the journal has another digest of the manifest");
      return stored.length ? "its digest is in the journal" : "this page has no entry with its digest: ask for the whole store";
    }

    verdict() {
      if (this.findings.length) return ["wrong", "WRONG", "Something here is not as it was written. Do not take it for evidence."];
      if (!signatures) {
        return ["unknown", "not checked", "This browser does not know Ed25519, so no signature was checked. Use a current browser, or verify.py of a bundle."];
      }
      if (!this.manifest) return ["unknown", "unfinished", "The recording has no manifest: its session was under way, and nobody vouches for it yet."];
      if (!this.asked) {
        return ["unknown", "not vouched for", "The signatures are right, but the keys came with the data and prove nothing by themselves. Give the public key that you were given apart from this page."];
      }
      return ["proven", "proven", "What is here is as it was written by the holder of a key that you trust. Whether anything was left out, only the whole store can show."];
    }
  }

  const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

  // The first object of a journal that an introduced key signs.
  function border(key, journal, unknown) {
    const heads = key.introduced_by?.journals;
    if (heads === undefined) return unknown;
    return Math.max(0, ...heads.filter((head) => head.gateway === journal).map((head) => head.seq + 1));
  }

  // The root to which the hashes beside a line's way lead: RFC 9162, section 2.1, over the lines' digests.
  async function climb(proof, count) {
    let at = proof.line;
    need(Number.isInteger(at) && at >= 0 && at < count && count <= 2 ** 31, "there is no such line");
    const path = [...proof.path];
    let hash = await digest(concat([0], await digest(bytesOf(proof.entry))));
    while (count > 1) {
      if ((at ^ 1) < count) {
        need(path.length, "its path is too short");
        const beside = fromHex(path.shift());
        hash = await digest(at & 1 ? concat([1], beside, hash) : concat([1], hash, beside));
      }
      [at, count] = [at >> 1, (count + 1) >> 1];
    }
    need(path.length === 0, "its path is too long");
    return hex(hash);
  }

  // Ids of keys in what somebody pasted: PEM, a key's statement, 64 digits of a key or 32 of an id.
  async function keysIn(text) {
    const ids = [];
    for (const [, base64] of text.matchAll(/-----BEGIN PUBLIC KEY-----([^-]+)-----END PUBLIC KEY-----/g)) {
      const der = hex(fromBase64(base64.replace(/\s/g, "")));
      if (der.startsWith(SPKI) && der.length === SPKI.length + 64) ids.push((await sha256(fromHex(der.slice(-64)))).slice(0, 32));
    }
    for (const [digits] of text.replace(/-----BEGIN[\s\S]*?-----END[^-]*-----/g, "").matchAll(/\b[0-9a-f]{32,64}\b/g)) {
      if (digits.length === 64) ids.push((await sha256(fromHex(digits))).slice(0, 32));
      if (digits.length === 32) ids.push(digits);
    }
    return ids;
  }

  function made(tag, text, kind) {
    const element = document.createElement(tag);
    // What a container or a client wrote is text, and cannot turn the line around.
    element.textContent = String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
    if (kind) element.className = kind;
    return element;
  }

  function show(check) {
    const [kind, word, meaning] = check.verdict();
    by("verdict").className = `verdict ${kind}`;
    by("verdict").replaceChildren(made("strong", word), made("p", meaning));
    by("findings").replaceChildren(...check.findings.map((finding) => made("li", finding)));
    by("steps").replaceChildren(
      ...check.steps.map(({ what, ok, detail }) => {
        const row = made("tr", "");
        row.append(made("td", ok ? "✓" : "✗", ok ? "ok" : "bad"), made("td", what), made("td", detail, "muted"));
        return row;
      }),
    );
    by("journal").replaceChildren(
      ...check.entries.map(({ micros, gateway, user, event, prev: _prev, session: _session, ...rest }) => {
        const row = made("tr", "");
        row.append(made("td", when(micros)), made("td", gateway), made("td", user ?? ""), made("td", event), made("td", JSON.stringify(rest), "muted"));
        return row;
      }),
    );
  }

  function when(micros) {
    return new Date(micros / 1000).toISOString().replace("T", " ").replace("Z", " UTC");
  }

  let asked = 0;
  async function examine() {
    const mine = ++asked;
    const text = by("key").value;
    const keys = await keysIn(text);
    by("key-hint").textContent = text.trim() && !keys.length ? "There is no public key in this: paste the PEM file, or the key's id." : "";
    const check = await new Check(keys).run();
    if (mine === asked) show(check);
    return check;
  }

  // The chunks as lines, in order. Damaged ones are left out: that is a finding already.
  function* lines() {
    let size = 0;
    for (const path of under("recordings/").filter((path) => path.endsWith(".cast.zst"))) {
      let content;
      try {
        content = unpacked(files.get(path));
      } catch {
        continue;
      }
      size += content.length;
      if (size > LARGEST_PLAYED) throw new Wrong("it is too long to be played here; it is checked all the same");
      yield* new TextDecoder().decode(content).split("\n").filter(Boolean);
    }
  }

  // A chunk says in its frame how long it is, and no more is unpacked.
  function unpacked(object) {
    if (contentSize(object) > LARGEST_CHUNK) throw new Wrong("a chunk is larger than any");
    return fzstd.decompress(object);
  }

  // RFC 8878, section 3.1.1.1: the content's size, which every chunk has.
  function contentSize(object) {
    const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
    if (view.getUint32(0, true) !== 0xfd2fb528) throw new Wrong("a chunk is no zstd frame");
    const descriptor = view.getUint8(4);
    const single = (descriptor >> 5) & 1;
    const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3];
    switch (descriptor >> 6) {
      case 0:
        return single ? view.getUint8(at) : Infinity;
      case 1:
        return view.getUint16(at, true) + 256;
      case 2:
        return view.getUint32(at, true);
      default:
        return Number(view.getBigUint64(at, true));
    }
  }

  // What any player shows: output and errors as they were printed, bytes that are no text as replacement characters.
  function cast() {
    const [first, ...events] = [...lines()].map((line) => {
      try {
        return JSON.parse(line);
      } catch {
        return null;
      }
    });
    const session = first?.kubetape ?? {};
    const decoders = { o: new TextDecoder(), e: new TextDecoder() };
    const shown = [];
    let size = null;
    for (const event of events) {
      if (!Array.isArray(event)) continue;
      let [time, code, data] = event;
      if (code === "b" && /^[oe] /.test(data)) {
        code = data[0];
        data = decoders[code].decode(fromBase64(data.slice(2)), { stream: true });
      }
      if (code === "r") size ??= data;
      if (code === "r" || code === "m") shown.push([time, code, data]);
      if (code === "o" || code === "e") shown.push([time, "o", session.tty ? data : data.replace(/\r?\n/g, "\r\n")]);
    }
    const [width, height] = (size ?? `${first?.width ?? 80}x${first?.height ?? 24}`).split("x").map(Number);
    return { first, session, width, height, shown };
  }

  function facts(session, manifest) {
    const target = session.target ?? {};
    const rows = [
      ["Who", session.principal?.name],
      ["Groups", (session.principal?.groups ?? []).join(", ")],
      ["Credential", [session.principal?.credential, session.principal?.credential_id].filter(Boolean).join(" ")],
      ["As", [session.impersonation?.user, ...(session.impersonation?.groups ?? [])].filter(Boolean).join(", ")],
      ["Where", [target.cluster, target.namespace, target.name, target.container].filter(Boolean).join(" / ")],
      ["What", session.kind],
      ["argv", JSON.stringify(session.argv ?? [])],
      ["Started", session.started_micros ? when(session.started_micros) : ""],
      ["Ended", manifest ? when(manifest.ended_micros) : "not recorded"],
      ["Outcome", manifest ? [manifest.outcome, manifest.exit_code, manifest.message, manifest.reason].filter((part) => part !== undefined).join(" ") : ""],
      ["Client", [session.client, session.user_agent].filter(Boolean).join(", ")],
      ["Gateway", session.gateway],
      ["Rule", session.rule],
      ["Image", manifest?.image],
      ["Recording", session.id],
    ];
    by("facts").replaceChildren(...rows.filter(([, value]) => value).flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
  }

  function play(manifest) {
    let recording;
    try {
      recording = cast();
    } catch (error) {
      by("player").replaceChildren(made("p", `It cannot be played: ${error.message}.`, "muted"));
      return;
    }
    facts(recording.session, manifest);
    const { width, height, shown } = recording;
    let player = null;
    if (shown.some(([, code]) => code === "o")) {
      const data = [{ version: 2, width, height }, ...shown].map((line) => JSON.stringify(line)).join("\n");
      player = AsciinemaPlayer.create({ data }, by("player"), { fit: "width", terminalFontSize: "small", theme: "auto/asciinema", preload: true, poster: `npt:${shown.at(-1)[0]}` });
    } else {
      by("player").replaceChildren(made("p", "Nothing was printed.", "muted"));
    }
    const commands = manifest?.commands ?? [];
    by("commands").replaceChildren(
      ...commands.map(({ micros, source, text }) => {
        const step = made("button", "", "step");
        step.type = "button";
        const seconds = micros / 1e6;
        step.append(made("time", seconds.toFixed(1)), made("code", text), made("span", source, "muted"));
        step.addEventListener("click", () => player?.seek(seconds));
        const item = made("li", "");
        item.append(step);
        return item;
      }),
    );
  }

  by("key").addEventListener("input", examine);
  by("key-file").addEventListener("change", async () => {
    by("key").value = (await Promise.all([...by("key-file").files].map((file) => file.text()))).join("\n");
    examine();
  });
  if (!crypto?.subtle) {
    by("verdict").replaceChildren(made("strong", "not checked"), made("p", "This browser offers no cryptography to this page: open it as a file, or over HTTPS."));
    play(null);
  } else {
    examine().then(({ manifest }) => play(manifest ?? null));
  }
})();
