// Shows the control API's answers. Everything is set as text, never as markup: names come from whoever asks.
"use strict";

const rows = (id) => document.querySelector(`#${id} tbody`);

function cell(content, className) {
  const td = document.createElement("td");
  td.append(content ?? "");
  if (className) td.className = className;
  return td;
}

function row(...cells) {
  const tr = document.createElement("tr");
  tr.append(...cells.map((one) => (one instanceof Node ? one : cell(String(one ?? "")))));
  return tr;
}

function fill(id, lines, nothing) {
  const none = row(cell(nothing, "faint"));
  none.firstChild.colSpan = 9;
  rows(id).replaceChildren(...(lines.length ? lines : [none]));
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

function showState(state) {
  document.querySelector("#where").textContent =
    `Account ${state.account}, region ${state.region}. Nothing here is real, and no value is shown.`;
  const secrets = [], parameters = [], identities = [];
  for (const [account, { identities: known, regions }] of Object.entries(state.accounts)) {
    for (const { kind, name, policies } of known) identities.push(row(account, kind, name, policies.join(", ")));
    for (const [region, content] of Object.entries(regions)) {
      const where = account === state.account ? region : `${account} ${region}`;
      for (const [name, { type, versions, planned_deletion: end }] of Object.entries(content.secrets)) {
        const text = versions.map(({ id, type, stages }) => [id, type === "text" ? "" : type, stages.join(" ")].filter(Boolean).join(" "));
        if (end) text.push(`to be deleted ${end}`);
        secrets.push(row(where, name, type, text.join("; ")));
      }
      for (const [name, version] of Object.entries(content.parameters)) parameters.push(row(where, name, version));
    }
  }
  fill("secrets", secrets, "none");
  fill("parameters", parameters, "none");
  fill("identities", identities, "none");
}

function showFaults(faults) {
  const lines = faults.map(({ id, rule, matched, struck }) => {
    const remove = document.createElement("button");
    remove.textContent = "remove";
    remove.onclick = async () => {
      await ask(`faults/${id}`, { method: "DELETE" });
      await refresh();
    };
    const told = Object.entries(rule).filter(([key, value]) => value !== null && !(key === "skip" && value === 0)
      && !(key === "seed" && value === 0) && !(key === "probability" && value === 1));
    return row(JSON.stringify(Object.fromEntries(told)), matched, struck, cell(remove));
  });
  fill("faults", lines, "none: everything works");
}

let newest = 0;

function showRequests(records) {
  const unfinished = records.findIndex(({ status }) => status === null);
  const finished = unfinished < 0 ? records : records.slice(0, unfinished);
  if (!finished.length) return;
  const body = rows("requests");
  for (const it of finished) {
    newest = it.number;
    const answer = cell(`${it.status}${it.code ? ` ${it.code}` : ""}`, it.status < 400 ? "good" : "bad");
    body.append(row(it.number, it.time.slice(11, 23), it.service, it.action, it.name, it.identity, answer,
      `${it.connection}${it.tls ? " TLS" : ""}`, it.faults.join(" ")));
  }
  while (body.children.length > 1000) body.firstChild.remove();
  if (document.querySelector("#follow").checked) {
    const log = document.querySelector("#log");
    log.scrollTop = log.scrollHeight;
  }
}

async function refresh() {
  try {
    const [state, faults, records] = await Promise.all([ask("state"), ask("faults"), ask(`requests?after=${newest}`)]);
    showState(state);
    showFaults(faults);
    showRequests(records);
    document.querySelector("#trouble").textContent = "";
  } catch (error) {
    document.querySelector("#trouble").textContent = `The cloud does not answer: ${error.message}`;
  }
}

async function follow() {
  await refresh();
  setTimeout(follow, 1000);
}

follow();
