/** How the page looks, in light and in dark. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --text: light-dark(#1b1f24, #e3e6ea); --soft: light-dark(#5b636d, #9aa3ad); --line: light-dark(#d5d9de, #3a4048);
  --back: light-dark(#fff, #16191d); --panel: light-dark(#f6f7f9, #1d2126); --now: light-dark(#fff1bf, #4a3f14); --join: light-dark(#d1006c, #ff6fb5);
  --span-0: light-dark(#b9d4f5, #24466e); --span-1: light-dark(#c9e6c6, #2c5330); --span-2: light-dark(#f3d9b1, #62481f); --lock: light-dark(#7a3fc0, #b98af0);
  --wait: light-dark(#c23b3b99, #f0808099); --inject: light-dark(#c00, #ff5f5f); --run: light-dark(#30363d, #cfd5db); }
* { box-sizing: border-box; }
body { margin: 0; font: 13px/1.4 system-ui, sans-serif; color: var(--text); background: var(--back); }
button, input, select { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line); border-radius: 4px; padding: 1px 6px; }
button { cursor: pointer; } button:disabled { cursor: default; opacity: 0.6; }
:focus-visible { outline: 2px solid Highlight; outline-offset: -2px; }
.app { display: flex; flex-direction: column; height: 100vh; min-height: 680px; padding: 6px 12px; gap: 6px; }
header { display: flex; align-items: baseline; gap: 12px; } h1 { font-size: 15px; margin: 0; } h2, h3 { font-size: 12px; margin: 0; } .version { color: var(--soft); margin-left: auto; }
main { display: flex; flex-direction: column; gap: 6px; flex: 1; min-height: 0; }
.heading { display: flex; flex-wrap: wrap; gap: 3px 14px; align-items: center; } .heading select { max-width: 24em; } .compare select { width: 14em; } .outcome { max-width: 30em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .heading input { width: 6em; }
.finding, .cut, .differences, .differs-text { color: var(--inject); font-weight: 600; } .finding { max-width: 60em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.cause { flex-basis: 100%; order: 1; max-height: 2.8em; overflow: hidden; }
.compare { margin-left: auto; }
.timeline { display: flex; max-height: 186px; overflow-y: auto; border: 1px solid var(--line); background: var(--panel); position: relative; flex: none; }
.timeline .names { width: 130px; flex: none; } .timeline .names div { padding: 4px 6px; border-bottom: 1px solid var(--line); overflow: hidden; overflow-wrap: anywhere; font-size: 12px; }
.lanes { flex: 1; min-width: 0; position: relative; cursor: crosshair; overflow: hidden; } .lanes canvas { display: block; }
.cursor { position: absolute; top: 0; bottom: 0; width: 0; border-left: 2px solid var(--join); pointer-events: none; } .cursor.other { border-left-style: dashed; }
.zoom { position: sticky; top: 0; display: flex; flex-direction: column; flex: none; align-self: start; } .zoom button { width: 24px; padding: 0; }
.scrubber { display: flex; align-items: center; gap: 6px; } .scrubber .range { flex: 1 1 30%; } .scrubber input[type=number] { width: 6.5em; } .scrubber label { white-space: nowrap; }
.doing { flex: 1 1 45%; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.panels { display: grid; grid-template-columns: minmax(0, 802px) minmax(0, 1fr); grid-template-rows: minmax(0, 1fr) minmax(0, 1fr); gap: 6px; flex: 1; min-height: 0; }
.grid { grid-row: 1 / 3; }
.side { display: flex; flex-direction: column; gap: 6px; min-height: 0; }
@media (min-width: 1600px) { .panels { grid-template-columns: minmax(0, 802px) minmax(0, 1fr) minmax(0, 1fr); grid-template-rows: minmax(0, 1fr); } .grid { grid-row: 1; } }
.panel { border: 1px solid var(--line); background: var(--panel); min-height: 0; display: flex; flex-direction: column; }
.side .panel { flex: 1; } .side .tasks { flex: 0 1 auto; max-height: 55%; overflow: auto; display: block; }
.list { overflow: auto; flex: 1; min-height: 0; }
.legend { list-style: none; margin: 0; padding: 4px 6px; display: flex; flex-wrap: wrap; gap: 2px 10px; font-size: 11px; border-bottom: 1px solid var(--line); color: var(--soft); }
.row, .space { padding: 2px 6px; } .space { display: flex; align-items: end; border-bottom: 1px solid var(--line); }
.line { display: flex; height: 20px; } .addr { width: 96px; flex: none; font: 11px/20px ui-monospace, monospace; color: var(--soft); } .addr.device { text-align: right; padding-right: 8px; }
.cell { display: inline-block; width: 21px; height: 19px; flex: none; text-align: center; font: 600 11px/18px ui-monospace, monospace; border: 1px solid var(--line); margin-right: -1px; cursor: pointer; overflow: hidden; }
.cell:nth-child(8n + 10) { border-left: 2px solid var(--soft); } .legend .cell { margin: 0; cursor: default; color: var(--text); border-left-width: 1px !important; }
.cell.none { color: var(--line); font-weight: 400; }
.present { background: light-dark(#d6ead2, #23402a); } .writable { background: light-dark(#8fd08a, #2f6a38); } .zero { background: light-dark(#e9ecef, #30363d); }
.device-private { background: light-dark(#9cc4f7, #20508c); } .coherent { background: light-dark(#a8e3e3, #1d5c5e); } .exclusive { background: light-dark(#d9b8f2, #58308a); }
.migration { background: light-dark(#ffd27a, #7a5610); } .swap { background: light-dark(#d9c7b4, #574535); } .protnone, .marker { background: light-dark(#e3d3d3, #4d3a3a); }
.hwpoison { background: light-dark(#e88, #822); } .mirrored { background: light-dark(#cfe2ff, #26395a); font-style: italic; }
.cell.wrong { background: light-dark(#ffc2c2, #7c2020); text-decoration: underline; }
.cell.differs { box-shadow: inset 0 0 0 2px var(--inject); } .cell.selected { outline: 2px solid var(--text); z-index: 1; }
tr.differs, .folio.differs { box-shadow: inset 3px 0 0 var(--inject); } tr.differs td:first-child::after, .folio.differs span:first-child::after { content: ' ≠'; color: var(--inject); }
table { border-collapse: collapse; width: 100%; font-size: 12px; } th { text-align: left; color: var(--soft); font-weight: 500; } td, th { padding: 1px 6px; vertical-align: top; border-bottom: 1px solid var(--line); }
.tasks .now, .now { background: var(--now); } .waiting { color: var(--inject); } .stack { font: 11px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.folio { display: grid; grid-template-columns: 7.5em 3em 3em minmax(0, 1.2fr) minmax(0, 1fr); gap: 6px; height: 20px; padding: 0 6px; font-size: 12px; line-height: 20px; }
.folio.head { color: var(--soft); flex: none; border-bottom: 1px solid var(--line); } .folio span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.details h3, .findings h2 { padding: 2px 6px; border-bottom: 1px solid var(--line); flex: none; }
.event, .change, .reported { display: flex; gap: 8px; width: 100%; height: 20px; border: 0; border-radius: 0; background: none; padding: 0 6px; text-align: left; white-space: pre; overflow: hidden; font: 11px/20px ui-monospace, monospace; }
.event b { min-width: 4em; text-align: right; font-weight: 500; color: var(--soft); } .event.now, .change.now, .reported.now { background: var(--now); } .event.later { color: var(--soft); }
.change small { color: var(--soft); } .reported { height: 24px; line-height: 24px; font-size: 12px; }
.findings { display: flex; flex-direction: column; flex: none; border: 1px solid var(--line); background: var(--panel); }
.search { display: flex; gap: 4px; padding: 4px; flex: none; align-items: center; } .search input { flex: 1; min-width: 0; } .count { color: var(--soft); white-space: nowrap; }
`;
