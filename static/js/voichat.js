// Comfort on every page. Nothing here is needed: without it the same forms and links do the same.

// Enter sends, and Shift+Enter makes a line. On a touch screen Enter makes a line, and Ctrl+Enter sends.

const touchScreen = matchMedia("(hover: none) and (pointer: coarse)")

addEventListener("keydown", (event) => {
  if (!isMessage(event.target) || !sends(event)) return
  event.preventDefault()
  if (!event.repeat) event.target.form.requestSubmit()
})

function isMessage(field) {
  return field.name === "message" && field.form?.id === "composer"
}

function sends(event) {
  if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return false
  return event.ctrlKey || event.metaKey || !touchScreen.matches
}

function isComposing(event) {
  return event.isComposing || event.keyCode === 229 // Safari's Enter that ends a composition
}

// A field grows with its words, in browsers that do not know `field-sizing`

function grow(field) {
  if (CSS.supports("field-sizing", "content")) return
  field.style.height = "auto"
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`
}

addEventListener("input", ({ target }) => target.matches("textarea") && grow(target))

// What was typed and not sent outlives a reload, in this tab alone, under the address that the form sends to.
// It counts as sent once a chat has come up that goes on from another message than the form did.

addEventListener("input", ({ target: { form } }) => form?.id === "composer" && keepDraft(form))

addEventListener("submit", ({ target: form }) => {
  if (form.id === "composer") noteSending(form)
  if (/\/(logout|forget|erase)$/.test(form.action)) sessionStorage.removeItem("voichat")
})

whenThere("#composer [name=message]", bringBack)

// A page that comes back as it was left: its words went, if a later page has seen them arrive. If none has, they stay,
// and go under the same submit id.
addEventListener("pageshow", ({ persisted }) => {
  const message = document.querySelector("#composer [name=message]")
  if (!persisted || !message?.form.dataset.sent) return
  delete message.form.dataset.sent
  if (!kept().sending) message.value = ""
  message.autocomplete = "on"
  change((kept) => { delete kept.drafts[draftOf(message.form)]; delete kept.sending })
})

function bringBack(message) {
  settleSending(message.form)
  const draft = kept().drafts[draftOf(message.form)]
  if (!draft || (message.value && message.value !== draft)) return
  message.value = draft
  letBrowserForget(message)
  grow(message)
}

function keepDraft(form) {
  const { message } = form.elements
  const words = isTemporary(form) ? undefined : message.value || undefined
  message.autocomplete = "on" // the browser's own memory, for what is not kept here
  change(({ drafts }) => { drafts[draftOf(form)] = words })
  if (words) letBrowserForget(message)
}

function letBrowserForget(message) {
  message.autocomplete = "off" // or else Back fills in words that were sent
}

function noteSending(form) {
  form.dataset.sent = true
  change((kept) => { kept.sending = { draft: draftOf(form), from: placeOf(form) } })
}

function settleSending(form) {
  change((kept) => {
    const { draft, from } = kept.sending ?? {}
    if (draft && form.closest(".chat") && placeOf(form) !== from) {
      delete kept.drafts[draft]
      typeOn(form)
    }
    delete kept.sending
  })
}

// Who has just sent something goes on typing, and letters are to be words then, not shortcuts

function typeOn({ elements: { message } }) {
  if (!touchScreen.matches && document.activeElement === document.body) message.focus({ preventScroll: true })
}

function draftOf(form) {
  return `${form.getAttribute("action")} ${form.elements.edits?.value ?? ""}`
}

function placeOf({ elements: { parent, at } }) {
  return parent?.value ?? at?.value
}

function isTemporary(form) {
  return form.elements.temporary?.checked || document.querySelector("form.lasting")
}

function kept() {
  return JSON.parse(sessionStorage.getItem("voichat")) ?? { drafts: {} }
}

function change(how) {
  const changed = kept()
  how(changed)
  sessionStorage.setItem("voichat", JSON.stringify(changed))
}

function whenThere(selector, act) {
  const found = document.querySelector(selector)
  if (found) act(found)
  else if (document.readyState === "loading") requestAnimationFrame(() => whenThere(selector, act))
}

// Shortcuts: single keys, where nobody types, unless the reader has turned them off

const shortcuts = {
  "/": () => focusOn("[type=search]") ?? press(".bar [href$='/chats']"),
  "?": () => location.assign(document.querySelector("script[data-help]").dataset.help),
  c: () => focusOn("#message"),
  j: () => step(1),
  k: () => step(-1),
  n: () => press(".bar .brand"),
  Escape: () => press(".stop button"),
}

addEventListener("keydown", (event) => {
  if (!isShortcut(event)) return
  const found = shortcuts[latin(event)]?.()
  if (found) event.preventDefault()
})

function isShortcut(event) {
  const { target, key } = event
  const isTyping = target.matches("input, select") || (target.matches("textarea") && key !== "Escape")
  const isChord = event.ctrlKey || event.metaKey || event.altKey
  return !isTyping && !isChord && !isComposing(event) && document.body.dataset.shortcuts !== "off"
}

function latin({ key, code }) {
  return key > "~" ? code.slice(-1).toLowerCase() : key
}

function focusOn(selector) {
  const found = visible(selector)
  found?.focus()
  return found
}

function press(selector) {
  const found = visible(selector)
  found?.click()
  return found
}

function step(by) {
  const messages = [...document.querySelectorAll(".message")]
  const here = messages.indexOf(document.activeElement.closest(".message"))
  const next = here < 0 ? messages.at(-1) : messages[here + by]
  next?.setAttribute("tabindex", "-1")
  next?.focus({ preventScroll: true })
  next?.scrollIntoView()
  return next
}

function visible(selector) {
  return [...document.querySelectorAll(selector)].find((element) => element.offsetParent)
}
