"""The one visual language: colours in light and dark, type that a back row can read, one style sheet.

Orange is less likely or worse, blue more likely or better; line styles, shapes and signs say the same without
colour. All that the kit shows is HTML or SVG inside an element of class `dpoq`, and takes its colours from
here by name, so that it follows JupyterLab's theme.
"""

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1a1a1a",
    "quiet": "#595959",
    "grid": "#e4e4e4",
    "more": "#1f5fa8",
    "less": "#b04a00",
    "grey": "#6b6b6b",
    "more-fill": "#5aa0d6",
    "less-fill": "#ee9336",
    "seen-fill": "#e1e1e1",
}
DARK = {
    "paper": "#111111",
    "ink": "#f2f2f2",
    "quiet": "#b8b8b8",
    "grid": "#383838",
    "more": "#7db8f0",
    "less": "#f5a04d",
    "grey": "#a3a3a3",
    "more-fill": "#22659e",
    "less-fill": "#9c5200",
    "seen-fill": "#3a3a3a",
}
TYPE = 15  # pixels, of text in figures; the least of any text is 13


def _colours(names: dict[str, str]) -> str:
    return "".join(f"--dpoq-{name}:{colour};" for name, colour in names.items())


STYLE = f"""<style>
.dpoq{{{_colours(LIGHT)}--dpoq-type:16px;color:var(--dpoq-ink);background:var(--dpoq-paper);
font:15px/1.35 system-ui,sans-serif}}
[data-jp-theme-light="false"] .dpoq{{{_colours(DARK)}}}
@media screen and (prefers-color-scheme:dark){{.dpoq-page .dpoq,.dpoq-page.dpoq{{{_colours(DARK)}}}}}
.dpoq-page{{margin:0}} .dpoq-page main{{max-width:75em;margin:auto;padding:1em}}
.dpoq-large .dpoq,.dpoq-large.dpoq{{--dpoq-type:24px;font-size:20px}}
.dpoq-figure{{margin:.4em 0;overflow-x:auto}} .widget-html-content:has(.dpoq-figure){{min-width:0}}
.dpoq-figure svg{{display:block;font:{TYPE}px system-ui,sans-serif;fill:var(--dpoq-ink)}}
.dpoq-large .dpoq-figure svg{{width:100%;height:auto}}
.dpoq-question{{font-size:17px;padding:.3em 0}} .dpoq-verdict{{padding:.2em .3em;font-weight:600}}
.dpoq-reading{{color:var(--dpoq-quiet);padding:.2em .3em}}
.dpoq-figure .quiet{{fill:var(--dpoq-quiet)}}
.dpoq-figure .small{{font-size:13px}}
.dpoq-figure .word{{font-weight:700}}
.dpoq-figure text{{paint-order:stroke;stroke:var(--dpoq-paper)!important;stroke-width:4px;
stroke-linejoin:round}}
.dpoq-grid{{stroke:var(--dpoq-grid)}}
.dpoq-zero{{stroke:var(--dpoq-quiet)}}
.dpoq-line,.dpoq-edge{{fill:none;stroke-width:2.5px}}
.dpoq-whisker{{stroke-width:2px;fill:none}}
.dpoq-figure .more{{stroke:var(--dpoq-more)}} .dpoq-figure .less{{stroke:var(--dpoq-less)}}
.dpoq-figure .grey{{stroke:var(--dpoq-grey)}} .dpoq-figure .ink{{stroke:var(--dpoq-ink)}}
.dpoq-figure .fill.more{{fill:var(--dpoq-more)}} .dpoq-figure .fill.less{{fill:var(--dpoq-less)}}
.dpoq-figure .fill.grey{{fill:var(--dpoq-grey)}} .dpoq-figure .fill.ink{{fill:var(--dpoq-ink)}}
.dpoq-dot{{stroke-width:2px;fill:var(--dpoq-paper)}} .dpoq-seed{{opacity:.55;stroke:none}}
.dpoq-box{{fill:var(--dpoq-paper);stroke:var(--dpoq-ink)}}
.dpoq .dpoq-table{{border-collapse:collapse;margin:.4em 0;font-size:inherit;color:inherit}}
.dpoq-table caption{{text-align:left;font-weight:600;color:inherit}} .dpoq .dpoq-table tr{{background:none}}
.dpoq-table td,.dpoq-table th{{padding:.2em .8em;text-align:right;white-space:nowrap;
border-bottom:1px solid var(--dpoq-grid)}}
.dpoq-table .left{{text-align:left}}
.dpoq-scroll{{overflow-x:auto}}
.dpoq-strip{{padding:.3em 0}} .dpoq-strip:focus-visible{{outline:2px solid var(--dpoq-ink)}}
.dpoq-caption{{margin:.3em 0 0;font-weight:600}}
.dpoq-token{{display:inline-block;vertical-align:top;text-align:center;margin:1px;padding:2px 4px;
cursor:default;border-radius:3px;max-width:100%;border:2px solid transparent;font-size:var(--dpoq-type)}}
.dpoq-token.more{{background:color-mix(in srgb,var(--dpoq-more-fill) var(--share),var(--dpoq-paper))}}
.dpoq-token.less{{background:color-mix(in srgb,var(--dpoq-less-fill) var(--share),var(--dpoq-paper))}}
.dpoq-token.seen{{background:var(--dpoq-seen-fill);outline:1px dotted var(--dpoq-quiet)}}
.dpoq-token .t{{display:block;font-family:ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;
min-height:1.2em;padding-bottom:.15em}}
.dpoq-token .v{{display:block;font-size:.85em}}
.dpoq-token.flaw .t{{text-decoration:underline wavy}}
.dpoq-token[aria-selected="true"]{{border-color:var(--dpoq-ink)}}
.dpoq-token:focus-visible{{outline:3px solid var(--dpoq-ink);outline-offset:1px;position:relative}}
.dpoq-scale{{display:inline-block;width:14em;height:.8em;vertical-align:middle;
background:linear-gradient(to right,var(--dpoq-less-fill),var(--dpoq-paper),var(--dpoq-more-fill))}}
.dpoq-pair{{border-top:1px solid var(--dpoq-grid);padding:.2em 0}} .dpoq-prompt{{white-space:pre-wrap}}
.dpoq-what{{text-decoration:underline dotted;cursor:help}}
.dpoq-what:focus::after{{content:attr(data-means);display:block;max-width:24em;white-space:normal;
text-align:left;font-weight:400;color:var(--dpoq-quiet)}}
.dpoq-controls{{display:flex;flex-wrap:wrap;align-items:baseline;gap:.3em 1.5em;padding:.3em 0}}
.dpoq-controls input,.dpoq-controls select{{font:inherit;color:inherit;background:var(--dpoq-paper);
border:1px solid var(--dpoq-quiet);border-radius:4px;padding:.1em .4em;max-width:100%}}
.dpoq-page a{{color:inherit}}
.dpoq-page h1{{font-size:1.7em;margin:.3em 0}} .dpoq-about{{color:var(--dpoq-quiet);overflow-wrap:anywhere}}
.dpoq-page .dpoq-figure svg{{max-width:100%;height:auto}} .dpoq-page svg+svg{{display:none}}
.dpoq-page .dpoq-table td,.dpoq-page .dpoq-table th{{white-space:normal;overflow-wrap:break-word}}
@media (max-width:620px){{.dpoq-page .dpoq-figure svg:has(+svg){{display:none}}
.dpoq-page .dpoq-figure svg+svg{{display:block}} .dpoq-page .dpoq-scroll{{background:
linear-gradient(to right,var(--dpoq-paper),transparent) 0/2em 100% no-repeat local,
linear-gradient(to left,var(--dpoq-paper),transparent) 100%/2em 100% no-repeat local,
linear-gradient(to right,var(--dpoq-quiet),transparent) 0/.5em 100% no-repeat scroll,
linear-gradient(to left,var(--dpoq-quiet),transparent) 100%/.5em 100% no-repeat scroll}}}}
@media print,(max-width:620px){{.dpoq-page .dpoq-table td,.dpoq-page .dpoq-table th{{padding:.2em .3em;
vertical-align:top;font-size:13px}}}}
@media print{{.dpoq-controls,.dpoq-size{{display:none}} .dpoq-token,.dpoq-scale{{print-color-adjust:exact;
-webkit-print-color-adjust:exact}} .dpoq-figure,.dpoq-pair,.dpoq-table{{break-inside:avoid}}
h1,h2,h3,.dpoq-reading,.dpoq-caption,.dpoq-prompt{{break-after:avoid}}}}
.dpoq-size{{font:inherit;color:inherit;background:none;border:1px solid var(--dpoq-quiet);border-radius:4px;
padding:0 .5em;margin-left:1em;cursor:pointer}}
.jp-CodeCell:has(.jp-InputPlaceholder) .jp-OutputArea pre{{font-size:13px;max-height:4.5em;overflow:auto;
color:var(--jp-ui-font-color2)}}
</style>"""


def box(html: str, kind: str = "") -> str:
    """HTML that takes the theme's colours where `STYLE` is in the page; `kind` is a further class."""
    return f'<div class="dpoq {kind}">{html}</div>'
