/* SPDX-License-Identifier: BSD-2-Clause */
/* What the status page looks like, and how it refreshes. Served as files of their own, since the
 * page's Content-Security-Policy allows nothing within it. */
#include "proxy/manager/manager_pages.h"
#include "proxy/manager/status_page.h"

static const char status_css[] =
	":root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--text:#1d2125;--soft:#5b6470;"
	"--edge:#e3e5e8;--blue:#1f5fbf;--area:#1f5fbf22;--amber:#b45309;--good:#17663a;--bad:#a61b1b;"
	"--goodbg:#e5f4ea;--badbg:#fbe6e4}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1b1f23;--text:#e7eaed;"
	"--soft:#a3acb6;--edge:#2e343a;--blue:#7db2ff;--area:#7db2ff22;--amber:#f0a94a;--good:#86d9a5;"
	"--bad:#ff9d94;--goodbg:#17301f;--badbg:#3b1d1b}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;background:var(--bg);color:var(--text);"
	"font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif;"
	"font-variant-numeric:tabular-nums}\n"
	"header,main,footer{max-width:76rem;margin:0 auto;padding:0 1.25rem}\n"
	"header{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline;padding-top:1.5rem}\n"
	"h1{font-size:1.35rem;font-weight:650;margin:0;letter-spacing:-.01em}\n"
	"header p{margin:0;color:var(--soft)}\n"
	"header p:last-child{margin-left:auto}\n"
	"h2{font-size:1.02rem;font-weight:620;margin:0 0 .5rem}\n"
	"section{margin:2rem 0}\n"
	"a{color:var(--blue)}\n"
	".skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.4rem .8rem}\n"
	":focus-visible{outline:2px solid var(--blue);outline-offset:2px;border-radius:3px}\n"
	".state{margin:1rem 0 0;padding:.55rem .9rem;border-radius:8px;font-weight:560}\n"
	".state.good{background:var(--goodbg);color:var(--good)}.state.bad{background:var(--badbg);color:var(--bad)}\n"
	".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:1px;margin:1rem 0;"
	"background:var(--edge);border:1px solid var(--edge);border-radius:10px;overflow:hidden}\n"
	".facts div{background:var(--card);padding:.75rem 1rem}\n"
	"dt{color:var(--soft);font-size:.82rem}dd{margin:0;font-size:1.3rem;font-weight:600;letter-spacing:-.01em}\n"
	".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:1rem}\n"
	"figure{margin:0;padding:.8rem 1rem .6rem;background:var(--card);border:1px solid var(--edge);border-radius:10px}\n"
	"figcaption{display:flex;flex-wrap:wrap;gap:0 .8rem;font-size:.8rem;color:var(--soft)}\n"
	"figcaption strong{color:var(--text);font-weight:600;flex:1 0 100%}\n"
	".key::before{content:\"\";display:inline-block;width:.9em;height:3px;border-radius:2px;"
	"margin-right:.4em;vertical-align:middle;background:var(--blue)}\n"
	".line-key::before{background:var(--amber)}\n"
	".plot{position:relative;padding:1.15rem 0 1.2rem;font-size:.75rem;color:var(--soft)}\n"
	".plot span{position:absolute}.top{top:.2rem;left:0}.from{bottom:0;left:0}.to{bottom:0;right:0}\n"
	"svg{display:block;width:100%;height:8.5rem;overflow:visible}\n"
	"svg path{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round}\n"
	".grid{stroke:var(--edge)}.area{fill:var(--area)!important;stroke:none}.line{stroke:var(--blue);stroke-width:1.75}\n"
	".second .line{stroke:var(--amber)}\n"
	".wide{overflow-x:auto;background:var(--card);border:1px solid var(--edge);border-radius:10px}\n"
	"table{border-collapse:collapse;width:100%;font-size:.9rem}\n"
	"caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}\n"
	".pair caption{position:static;width:auto;height:auto;clip-path:none;text-align:left;"
	"font-weight:600;font-size:.88rem;padding:.6rem 1rem .2rem}\n"
	"th,td{padding:.4rem 1rem;text-align:left;vertical-align:top;white-space:nowrap}\n"
	"thead th{color:var(--soft);font-weight:500;font-size:.82rem}\n"
	"tbody tr{border-top:1px solid var(--edge)}\n"
	"tbody th{font-weight:500;white-space:normal;overflow-wrap:anywhere;min-width:11rem}\n"
	".n{text-align:right}\n"
	".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem;align-items:start}\n"
	".mark{display:inline-block;padding:0 .55em;border-radius:99px;font-size:.82rem;font-weight:560}\n"
	".mark.good{background:var(--goodbg);color:var(--good)}.mark.bad{background:var(--badbg);color:var(--bad)}\n"
	"meter{width:7rem;height:.8rem;vertical-align:middle}\n"
	".none{color:var(--soft);margin:0}\n"
	"form{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end;margin:.6rem 0}\n"
	"label{display:grid;font-size:.82rem;color:var(--soft)}\n"
	"label.grow{flex:1 1 16rem}\n"
	"input,select,button{font:inherit;color:var(--text);background:var(--card);border:1px solid var(--soft);"
	"border-radius:7px;padding:.4rem .7rem;min-height:2.5rem}\n"
	"button{cursor:pointer;font-weight:560}button:hover{border-color:var(--blue);color:var(--blue)}\n"
	"header button{min-height:0;padding:.15rem .7rem;font-size:.85rem}\n"
	"footer{color:var(--soft);font-size:.85rem;padding-bottom:2rem;border-top:1px solid var(--edge);"
	"padding-top:1rem;margin-top:2rem}\n"
	"@media(max-width:40rem){header,main,footer{padding-left:.9rem;padding-right:.9rem}"
	"header p:last-child{margin-left:0}th,td{padding:.4rem .7rem}.facts{grid-template-columns:1fr 1fr}"
	".facts div:last-child:nth-child(odd){grid-column:1/-1}\n"
	/* Rows become blocks; the heads of their columns stand before what they say. */
	"table,tbody{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}"
	"tbody tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.1rem 1rem;padding:.5rem .7rem}"
	"tbody tr:first-child{border-top:0}th,td{padding:0}"
	"tbody th,td{grid-column:1/-1;white-space:normal;overflow-wrap:anywhere}"
	"td::before{content:attr(data-head);color:var(--soft);font-size:.82rem;margin-right:.5em}"
	".n{grid-column:auto;text-align:left}}\n"
	"@media(prefers-reduced-motion:no-preference){a,button{transition:color .15s}}\n";

/* Without it the page is as it was when it came. */
static const char status_js[] =
	"'use strict';\n"
	"const live = document.getElementById('live');\n"
	"const button = document.getElementById('pause');\n"
	"let paused = false;\n"
	"button.hidden = false;\n"
	"button.addEventListener('click', () => {\n"
	"  paused = !paused;\n"
	"  button.textContent = paused ? 'Resume' : 'Pause';\n"
	"  button.setAttribute('aria-pressed', String(paused));\n"
	"});\n"
	"async function refresh() {\n"
	"  if (paused || document.hidden || live.contains(document.activeElement)) return;\n"
	"  try {\n"
	"    const reply = await fetch('status_live', {credentials: 'same-origin', cache: 'no-store'});\n"
	"    if (reply.ok) live.innerHTML = await reply.text();\n"
	"    document.body.classList.toggle('stale', !reply.ok);\n"
	"  } catch (error) {\n"
	"    document.body.classList.add('stale');\n"
	"  }\n"
	"}\n"
	"setInterval(refresh, 5000);\n";

bool manager_write_status_css(struct manager_page *page)
{
	buf_add_str(page->out, str_of(status_css));
	return false;
}

bool manager_write_status_js(struct manager_page *page)
{
	buf_add_str(page->out, str_of(status_js));
	return false;
}
