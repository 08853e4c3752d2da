#include "tersor/entrypoints/html/style.h"

#include <fmt/format.h>

namespace tersor::html {

// --s0 … --s7: hues that differ in lightness too, for eyes that see fewer colours; --h0 … --h11: steps of
// equal lightness (OKLab) from the page's colour on, so that in both themes what stands out is much.
const std::string_view kStyleSheet = R"css(
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f5f6f8; --ink: #16181d; --soft: #5b6270; --faint: #8b92a0; --rule: #e1e4ea;
  --good: #16794a; --bad: #b3261e; --alarm: #d8352a; --accent: #2a62b8; --rest: #aeb5c2;
  --s0: #2a6fd0; --s1: #e0662b; --s2: #159a6e; --s3: #c98a00; --s4: #5b45b8; --s5: #d23f57; --s6: #2aa5bd; --s7: #7a5a3a;
  --h0: #e6eefb; --h1: #c0d8f8; --h2: #9bc1f3; --h3: #75abee; --h4: #5696e5; --h5: #4986d8;
  --h6: #3b77ca; --h7: #2e67bd; --h8: #2458a8; --h9: #1c4990; --h10: #143b79; --h11: #0c2d63;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #121419; --panel: #1a1d24; --ink: #e8eaef; --soft: #a4abb8; --faint: #767d8b; --rule: #2b303a;
    --good: #5fcf98; --bad: #ff8a80; --alarm: #ff5a4d; --accent: #7db1ff; --rest: #4d5462;
    --s0: #5b9bf5; --s1: #f2854e; --s2: #3cc596; --s3: #e3b341; --s4: #a594f5; --s5: #f4788b; --s6: #57c7dd; --s7: #c19a74;
    --h0: #1b2a41; --h1: #20385d; --h2: #24467a; --h3: #285599; --h4: #2f65b4; --h5: #3d76c6;
    --h6: #4b87d8; --h7: #5999ea; --h8: #75adf3; --h9: #97c1f8; --h10: #b8d4fc; --h11: #d9e8ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main, header, footer { max-width: 1080px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 44px; }
footer { padding-top: 28px; padding-bottom: 40px; color: var(--faint); font-size: 13px; }
h1 { margin: 2px 0 6px; font-size: 30px; line-height: 1.2; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { margin: 52px 0 4px; font-size: 19px; letter-spacing: -.01em; }
h3 { margin: 0 0 2px; font-size: 13px; font-weight: 600; overflow-wrap: anywhere; }
h3 span { font-weight: 400; color: var(--soft); }
p { margin: 0 0 14px; max-width: 96ch; text-wrap: pretty; color: var(--soft); }
.kicker { margin: 0; font-size: 13px; font-weight: 600; color: var(--accent); }
.formula { white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); }
code, pre { font: 13px/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { overflow-wrap: anywhere; }
pre { margin: 0; padding: 14px 16px; background: var(--panel); border-radius: 8px; tab-size: 4; white-space: pre-wrap; overflow-wrap: anywhere; }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin: 26px 0 0; }
.tile { padding: 14px 16px 13px; background: var(--panel); border-radius: 8px; }
.tile dt { font-size: 13px; color: var(--soft); }
.tile dd { margin: 0; font-size: 13px; color: var(--soft); }
.tile dd.figure { font-size: 26px; line-height: 1.3; font-weight: 600; letter-spacing: -.02em; color: var(--ink); }
.notes { margin: 22px 0 0; padding: 12px 16px 12px 34px; border-left: 3px solid var(--s3); background: var(--panel); }
.notes li { overflow-wrap: anywhere; }

.scroll { overflow-x: auto; }
.tall { max-height: 520px; overflow-y: auto; }
.tall thead th { position: sticky; top: 0; background: var(--page); }
table { width: 100%; border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: 12.5px; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; vertical-align: top; }
tbody tr:hover { background: var(--panel); }
th.n, td.n { text-align: right; }
td.long { white-space: normal; overflow-wrap: break-word; min-width: 10em; }
td.soft { color: var(--soft); }
tr > :last-child { padding-right: 0; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 0 56px; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 5px 22px; margin: 0; font-size: 14px; }
.facts dt { color: var(--soft); max-width: 18em; overflow-wrap: anywhere; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
details { margin-top: 18px; }
summary { cursor: pointer; color: var(--accent); font-size: 14px; }

figure { margin: 14px 0 0; }
.wide { overflow-x: auto; }
.wide svg { min-width: 720px; }
.panels svg { max-width: 320px; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 22px 18px; margin-top: 14px; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .strong { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--rule); } .axis { stroke: var(--faint); }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
.s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); }
.rounding { --c: var(--faint); } .rest { --c: var(--rest); }
.line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.dashed .line, .dashed.swatch path { stroke-dasharray: 5 4; }
.rounding .line { stroke-width: 1.5; stroke-dasharray: 4 4; }
.lines circle { fill: var(--c); }
.leader { fill: none; stroke: var(--c); opacity: .45; }
.shade { fill: var(--accent); opacity: .12; }
svg .name { fill: var(--ink); cursor: default; }
.lines:hover > g { opacity: .16; } .lines > g:hover { opacity: 1; }
.lines > g:hover .line { stroke-width: 3; }
.column { fill: transparent; } .column:hover { fill: var(--ink); opacity: .07; }
.part { fill: var(--c); } .part.dashed, .box.dashed { opacity: .55; } .part:hover { opacity: .8; }
.swatch { display: inline-block; width: 22px; height: 10px; margin-right: 8px; vertical-align: 0; }
.swatch path { stroke: var(--c); stroke-width: 2.5; }
.box { display: inline-block; width: 10px; height: 10px; margin-right: 8px; border-radius: 2px; background: var(--c); }
.empty { fill: var(--panel); } .alarm { fill: var(--alarm); }
.h0 { fill: var(--h0); } .h1 { fill: var(--h1); } .h2 { fill: var(--h2); } .h3 { fill: var(--h3); }
.h4 { fill: var(--h4); } .h5 { fill: var(--h5); } .h6 { fill: var(--h6); } .h7 { fill: var(--h7); }
.h8 { fill: var(--h8); } .h9 { fill: var(--h9); } .h10 { fill: var(--h10); } .h11 { fill: var(--h11); }
.map rect:hover { stroke: var(--ink); stroke-width: 1.5; }
@media (max-width: 560px) { .panels { grid-template-columns: 1fr 1fr; } main, header, footer { padding-left: 16px; padding-right: 16px; } }
@media print {
  figure, .tile, tr { break-inside: avoid; }
  .tall { max-height: none; overflow: visible; }
}
)css";

std::string series_style(size_t i) {
  return fmt::format("s{}{}", i % 8, i % kSeriesStyles >= 8 ? " dashed" : "");
}

}  // namespace tersor::html
