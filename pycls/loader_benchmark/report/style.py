"""The look of the page: light, one column on a phone."""

STYLE = """\
:root { color-scheme: light; --ink: #1c2330; --soft: #5a6475; --line: #dde2ea; --paper: #ffffff;
  --tint: #f4f6f9; --mark: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--tint); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 8px 0; }
h2 { font-size: 1.35rem; margin: 40px 0 8px; overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 28px 0 8px; }
h4 { font-size: .85rem; font-weight: 600; color: var(--soft); margin: 12px 0 4px; overflow-wrap: anywhere; }
p, li { max-width: 76ch; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .9rem; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 16px; margin: 12px 0; }
.choice { border-left: 5px solid var(--mark); }
.choice p { margin: 4px 0; }
.warning { border-left: 5px solid #d55e00; }
code { font: .88em/1.6 ui-monospace, Consolas, monospace; background: var(--tint); border: 1px solid var(--line);
  border-radius: 4px; padding: 1px 5px; overflow-wrap: anywhere; white-space: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .84rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: 4px 8px; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; }
.number { text-align: right; }
td.wide { white-space: normal; min-width: 14em; }
tr.best td { background: #e8f3fa; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)); gap: 12px; }
.plots figure { margin: 0; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 12px; }
.plots figcaption { font-weight: 600; font-size: .92rem; margin-bottom: 4px; }
.plots svg { display: block; width: 100%; height: auto; }
.crops { display: grid; grid-template-columns: repeat(auto-fill, minmax(136px, 1fr)); gap: 10px; }
.crops figure { margin: 0; }
.crops img { border: 1px solid var(--line); display: block; width: 100%; max-width: 160px; height: auto;
  margin-bottom: 4px; image-rendering: pixelated; }
.crops figcaption { font-size: .78rem; line-height: 1.35; color: var(--soft); }
dl { display: grid; grid-template-columns: minmax(9em, max-content) 1fr; gap: 2px 16px; font-size: .9rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 520px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; }
  main { padding: 16px 12px 48px; } }
"""
