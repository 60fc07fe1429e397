/** Colours have a contrast of at least 4.5 on their ground; lines and bars at least 3. */
const COLOURS = `
:root{color-scheme:light dark;
--ground:#f5f6f8;--paper:#fff;--text:#1b2330;--soft:#566072;--line:#dfe3ea;--strong-line:#c3cad5;--tint:#eef1f6;
--accent:#1d5fbf;--good:#0f6b36;--good-tint:#e7f4ec;--bad:#b3261e;--bad-tint:#fcecea;--warn:#7a4d00;--warn-tint:#fff5e0;--warn-line:#e3b04b;
--c0:#1d5fbf;--c1:#b4500b;--c2:#0f7a3d;--c3:#7b3fb3;--c4:#a62c62;--c5:#0b6f7d;--c6:#5b6472;--c7:#7d5a1c;--heat:29,95,191}
@media (prefers-color-scheme:dark){:root{
--ground:#0f1318;--paper:#171c23;--text:#e4e8ee;--soft:#a3adbb;--line:#2a323d;--strong-line:#3d4855;--tint:#1f262f;
--accent:#82b1ff;--good:#6fd69a;--good-tint:#14291d;--bad:#ff9a90;--bad-tint:#331a18;--warn:#f3c46b;--warn-tint:#2b2212;--warn-line:#8a6420;
--c0:#82b1ff;--c1:#f2a35e;--c2:#6fd69a;--c3:#c8a2f5;--c4:#f38fb9;--c5:#62cbd8;--c6:#a3adbb;--c7:#d6b06a;--heat:130,177,255}}`;

const PAGE = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:0 1rem 3rem;max-width:76rem;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.9em}
a{color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;padding:.5rem 1rem;background:var(--paper);z-index:1}
.unseen,.long dt{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
header{padding:2.25rem 0 1.25rem;display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 2rem;align-items:end}
.eyebrow{grid-column:1/-1;margin:0;color:var(--soft);font-size:.8rem;letter-spacing:.06em;text-transform:uppercase}
h1{margin:.1rem 0 .35rem;font-size:1.9rem;line-height:1.2;font-weight:650;letter-spacing:-.01em}
.meta{grid-column:1;margin:0 0 0 -1.1rem;padding:0;list-style:none;color:var(--soft);font-size:.87rem;display:flex;flex-wrap:wrap;gap:.1rem 0;clip-path:inset(0 0 0 1.1rem)}
.meta li{position:relative;padding-left:1.1rem}.meta li::before{content:"·";position:absolute;left:.45rem}
.verdict{grid-column:2;grid-row:2/4;margin:0;padding:.55rem 1rem .6rem;border-radius:8px;font-size:.87rem}
.verdict strong{display:block;font-size:1.1rem;line-height:1.35}
.verdict.good{background:var(--good-tint);color:var(--good)}.verdict.bad{background:var(--bad-tint);color:var(--bad)}.verdict.plain{background:var(--tint);color:var(--soft)}
nav ul{margin:0 0 1.25rem;padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;font-size:.87rem}
nav a{display:inline-block;padding:.3rem 0;color:var(--soft);text-decoration:none}nav a:hover{color:var(--accent);text-decoration:underline}
main>section{margin:0 0 1.25rem;padding:1.35rem 1.5rem 1.5rem;background:var(--paper);border:1px solid var(--line);border-radius:10px;scroll-margin-top:1rem}
main>section[aria-labelledby=glance-h]{padding:0;background:none;border:0}
h2{margin:0 0 .9rem;font-size:1.2rem;line-height:1.3;font-weight:650}
h3{margin:1.75rem 0 .6rem;font-size:1rem;line-height:1.35;font-weight:600}
h2+h3,h2+div>h3:first-child,.figures>.group:first-child h3{margin-top:0}
p{margin:0 0 .8rem;max-width:46rem}
.note{color:var(--soft);font-size:.85rem;margin:.4rem 0 0}
.none{color:var(--soft);font-style:italic;font-weight:400}
footer{padding:.25rem 0;color:var(--soft);font-size:.85rem}
main>.warnings{background:var(--warn-tint);border-color:var(--warn-line)}
.warnings h2{margin-bottom:.4rem;color:var(--warn);font-size:1.05rem}
.warnings h2 span{display:inline-block;width:1.35em;height:1.35em;margin-right:.35rem;border-radius:50%;background:var(--warn);color:var(--warn-tint);text-align:center;line-height:1.35;font-weight:700;font-size:.9em}
.warnings ul{margin:0;padding-left:1.2rem}.warnings li{margin:.2rem 0}
.cards{margin:0;padding:0;list-style:none;display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:1.25rem}
.cards li{padding:1rem 1.25rem 1.1rem;background:var(--paper);border:1px solid var(--line);border-radius:10px;min-width:0}
.cards h3{margin:0;font-size:.87rem;font-weight:500;color:var(--soft)}
.cards p{margin:0;font-size:.87rem;font-variant-numeric:tabular-nums}
.cards .big{margin:.1rem 0 .15rem;font-size:1.85rem;line-height:1.2;font-weight:650;letter-spacing:-.02em}.cards .big.none{font-size:1.2rem;line-height:1.85}
.from,.within{color:var(--soft)}
.mark{white-space:nowrap;font-weight:550}.mark.good{color:var(--good)}.mark.bad{color:var(--bad)}.mark.plain{color:var(--soft)}
.by{font-variant-numeric:tabular-nums}`;

const TABLES = `
.scroll{position:relative;overflow-x:auto;margin:0 0 1rem}
section>.scroll:last-child,figure .scroll,.columns .scroll{margin-bottom:0}
table{border-collapse:collapse;font-size:.93rem;font-variant-numeric:tabular-nums}
caption{padding:0 0 .5rem;text-align:left;color:var(--soft);font-size:.87rem}caption bdi{display:block;position:sticky;left:0;width:max-content;max-width:min(60rem,calc(100vw - 5rem));margin-right:-60rem}
th,td{padding:.42rem 1.5rem .42rem 0;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--line);overflow-wrap:break-word}
th:last-child,td:last-child{padding-right:0}
thead th{font-weight:500;font-size:.84rem;color:var(--soft);border-bottom-color:var(--strong-line);white-space:nowrap;max-width:14rem;overflow:hidden;text-overflow:ellipsis;vertical-align:bottom}
tbody th{font-weight:500;max-width:22rem}tbody td{max-width:34rem}
.num{text-align:right;white-space:nowrap}
tbody tr:last-child>*{border-bottom:0}
td small,.best small,.heat small{display:block;color:var(--soft);font-size:.8rem;line-height:1.3;font-weight:400}
td small.within{display:inline}
tr.first-cost>*{border-top:1px solid var(--strong-line)}
.best{font-weight:650}.best::before{content:"●";margin-right:.4em;font-size:.6em;vertical-align:.25em;color:var(--accent)}
.wrap{width:100%}.wrap td:last-child{width:55%;min-width:15rem}
.counts{width:100%;max-width:46rem}.counts td:last-child{width:35%;min-width:5rem;vertical-align:middle}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:1.25rem 2.5rem;margin-bottom:1.5rem}.columns>*{min-width:0}
.share{display:block}.share .track{fill:var(--tint)}.share .fill{fill:var(--c0)}
.interval{display:inline-block;vertical-align:-5px;overflow:visible}.range{stroke-width:2}.range.v0{stroke:var(--c6)}.range.v1{stroke:var(--c0)}
.value.v0{fill:var(--paper);stroke:var(--c6);stroke-width:2}.value.v1{fill:var(--c0)}
.key{display:inline-block;width:9px;height:9px;margin-right:.4rem;border-radius:50%;border:2px solid var(--c6)}.key.v1{border-color:var(--c0);background:var(--c0)}
.matrix{border-collapse:separate;border-spacing:3px;margin:-3px}.matrix th,.matrix td{border:0;padding:0}
.matrix thead th{padding:.2rem .6rem;text-align:center}.matrix tbody th{padding:.2rem .75rem .2rem .3rem;min-width:0;color:var(--soft);font-size:.84rem;vertical-align:middle}
.heat{display:block;min-width:5.5rem;padding:.55rem .75rem;border-radius:4px;text-align:center;background:rgba(var(--heat),.04)}
.heat small{color:inherit}
${Array.from({ length: 10 }, (_, i) => `.h${i}{background:rgba(var(--heat),${(0.04 + i * 0.032).toFixed(3)})}`).join('')}
.facts{margin:0 0 1.25rem;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(13rem,100%),1fr));gap:.75rem 1.5rem}
.facts div{min-width:0}dt{color:var(--soft);font-size:.84rem}dd{margin:0;font-variant-numeric:tabular-nums}
section>.facts:last-child{margin-bottom:0}
.tree{margin:.5rem 0;font-size:.9rem}.tree>div{display:grid;grid-template-columns:minmax(7rem,11rem) minmax(0,1fr);gap:0 1rem;padding:.2rem 0;border-top:1px solid var(--line)}
.tree.inner{margin:0}.tree.inner>div:first-child{border-top:0;padding-top:0}
.line{display:flex;flex-wrap:wrap;gap:.1rem 1.25rem;margin:0}.line div{display:flex;gap:.4rem;align-items:baseline;min-width:0}.long{margin:.25rem 0 0}
.samples ol{margin:.5rem 0 0;padding:0;list-style:none;font-size:.9rem}.samples li{padding:.6rem 0;border-top:1px solid var(--line)}
.glossary{margin:.5rem 0 0;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(22rem,100%),1fr));gap:.3rem 2rem;font-size:.87rem}.glossary div{display:flex;gap:.5rem;align-items:baseline}.glossary dt{flex:0 0 9.5rem;color:var(--text)}.glossary dd{color:var(--soft)}
details{margin-top:.75rem}summary{cursor:pointer;color:var(--accent);font-size:.9rem;padding:.25rem 0}summary:hover{text-decoration:underline}
.how p{margin:.5rem 0;color:var(--soft);font-size:.87rem}
pre{margin:.5rem 0 0;padding:1rem;max-height:32rem;overflow:auto;background:var(--tint);border-radius:6px;line-height:1.4;overflow-wrap:normal}
.method{font-size:.93rem}`;

const CHARTS = `
figure{margin:0;min-width:0}figcaption{margin:0 0 .25rem;font-size:.87rem;color:var(--soft)}
.chart{display:block;width:100%;height:19rem;padding:30px 14px 44px 48px;overflow:visible;font-size:12px;font-variant-numeric:tabular-nums}
.chart svg{overflow:visible}.chart.square{height:18rem;max-width:27rem}.chart.small{height:11rem;padding-top:14px}
.chart text{fill:var(--soft)}.chart .flag{font-size:11px}
.grid{stroke:var(--line)}.grid.zero,.tick{stroke:var(--strong-line)}
.chart path,.legend path{vector-effect:non-scaling-stroke;fill:none;stroke-linejoin:round}
path.line{stroke-width:2;stroke-linecap:round}path.dot{stroke-width:7;stroke-linecap:round}path.raw{stroke:var(--c0);stroke-width:3;stroke-linecap:round;opacity:.35}
path.diagonal{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 4}path.epoch{stroke:var(--strong-line);stroke-width:1;stroke-dasharray:2 3}
${Array.from({ length: 8 }, (_, i) => `path.s${i}{stroke:var(--c${i})}path.bar.s${i}{fill:var(--c${i});stroke:none}`).join('')}
path.line.s1{stroke-dasharray:7 4}path.line.s2{stroke-dasharray:2 4}path.line.s3{stroke-dasharray:9 3 2 3}path.line.s4{stroke-dasharray:5 3}path.line.s5{stroke-dasharray:1 3}path.line.s6{stroke-dasharray:12 4}path.line.s7{stroke-dasharray:9 3 2 3 2 3}
.legend{margin:.4rem 0 0;padding:0 0 0 48px;list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.25rem;font-size:.85rem;color:var(--soft)}.legend li{display:flex;gap:.45rem;align-items:center;min-width:0}.legend svg{flex:none}.legend path.raw{stroke-width:7;opacity:.5}.chart.small path.line{stroke-width:1.5}.chart.small path.raw{opacity:.25}
.small-charts{margin:1.5rem 0 1rem;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(17rem,100%),1fr));gap:1.25rem 2rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(25rem,100%),1fr));gap:2rem 2.5rem;margin-top:.5rem}.figures>*{min-width:0}.group.pair{grid-column:1/-1}
.group h3{margin-top:0}.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));gap:1.25rem 2.5rem}
.stage+.stage,.audit+.audit{margin-top:2rem;padding-top:1.75rem;border-top:1px solid var(--line)}.stage h3,.audit>h3{margin-top:0}`;

const SMALL = `
@media (max-width:40rem){
body{padding:0 .6rem 2rem}header{display:block;padding-top:1.25rem}h1{font-size:1.55rem}.verdict{margin-top:.9rem}
main>section{padding:1rem .8rem 1.1rem}.cards{grid-template-columns:repeat(2,minmax(0,1fr));gap:.75rem}.cards li{padding:.75rem .85rem}.cards .big{font-size:1.45rem}
nav ul{gap:0 1rem}th,td{padding-right:.5rem}table{font-size:.87rem}thead th,thead .num{white-space:normal}tbody th{max-width:11rem}.wrap td:last-child{min-width:9rem}.from{white-space:nowrap;font-size:.8rem}.facts{grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr))}.scroll:not(figure *) tbody th{position:sticky;left:0;background:var(--paper)}td small,.best small{font-size:.69rem}.key{display:none}.plotted td:nth-child(4),.plotted th:nth-child(4){display:none}.plotted .mark,.wrap .mark{white-space:normal}td small.within{display:block}caption bdi{max-width:calc(100vw - 3rem)}.chart{height:16rem}.legend{padding-left:0}.glossary dt{flex-basis:7.5rem}
.tree>div{grid-template-columns:minmax(0,1fr)}.tree .inner{padding-left:.9rem}}
@media print{:root{--ground:#fff}body{max-width:none;font-size:11px}nav,.skip{display:none}main>section{break-inside:auto;border:0;padding:0}figure,tr,.cards li{break-inside:avoid}}
@media (forced-colors:active){.cards li,main>section,.verdict{border:1px solid}}`;

/** The style sheet of the report. The page's security policy names its hash, so nothing may be added to it later. */
export const STYLE: string = `${COLOURS}${PAGE}${TABLES}${CHARTS}${SMALL}\n`.trim();
