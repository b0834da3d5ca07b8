// Comfort where messages are shown. What it says to people stands at its own tag, in the language of the page.

const strings = document.querySelector("script[data-copied]").dataset

// Messages may still be coming: each element is seen once, whether it was there before or comes later.

function onEach(acts) {
  const see = (element) => {
    for (const selector in acts) if (element.matches?.(selector)) acts[selector](element)
  }
  document.querySelectorAll(Object.keys(acts)).forEach(see)
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) addedNodes.forEach(see)
  }).observe(document.body, { childList: true, subtree: true })
}

// One region tells screen readers what has happened, once and politely

const teller = document.createElement("div")
teller.className = "unseen"
teller.setAttribute("role", "status")
document.body.prepend(teller)

function tell(words) {
  teller.textContent = words
  setTimeout(() => { teller.textContent = "" }, 2000)
}

function makeButton(kind, words, label) {
  const button = document.createElement("button")
  button.type = "button"
  button.className = kind
  button.textContent = words
  button.setAttribute("aria-label", label)
  return button
}

// Copy: a block of code, or a message as it was written

function addToCode(code) {
  code.before(copyButton(strings.copyCode, async () => code.textContent))
}

function addToMessage(tools) {
  const item = document.createElement("li")
  item.append(copyButton(strings.copyMessage, () => read(tools.querySelector("[href$='.md']"))))
  tools.prepend(item)
}

async function read(link) {
  const answer = await fetch(link.href, { redirect: "error" })
  if (!answer.ok) throw new Error(answer.status)
  return answer.text()
}

function copyButton(label, words) {
  const button = makeButton("copy", strings.copy, label)
  button.addEventListener("click", async () => {
    button.textContent = await copy(words()).then(() => strings.copied, () => strings.notCopied)
    tell(button.textContent)
    setTimeout(() => { button.textContent = strings.copy }, 2000)
  })
  return button
}

async function copy(words) {
  if (!window.ClipboardItem) return copyFromField(await words) // there is none on plain http
  const blob = words.then((text) => new Blob([text], { type: "text/plain" }))
  return navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]) // Safari lets nobody write after a wait
}

function copyFromField(words) {
  const field = document.createElement("textarea"), before = document.activeElement
  field.className = "unseen"
  field.value = words
  document.body.append(field)
  field.focus({ preventScroll: true })
  field.select()
  const isCopied = document.execCommand("copy")
  field.remove()
  before.focus({ preventScroll: true })
  if (!isCopied) throw new Error("not copied")
}

// The way down to the newest line, for a reader who has scrolled up

function addWayDown(thread) {
  const button = makeButton("newest", "↓", strings.newest)
  button.addEventListener("click", () => {
    thread.scrollTop = 0 // the newest line is where this scroller begins
    thread.focus()
  })
  const update = () => { button.hidden = thread.scrollTop > -thread.clientHeight / 2 }
  thread.addEventListener("scroll", update, { passive: true })
  thread.append(button)
  update()
}

// A reply that is finished: said once, and marked in the title while nobody looks

const title = document.title

function finish(end) {
  const words = strings[end.dataset.status]
  if (!words) return
  tell(words)
  if (document.hidden) markTitle()
}

function markTitle() {
  document.title = `● ${title}`
  document.addEventListener("visibilitychange", () => { document.title = title }, { once: true })
}

onEach({ ".text pre > code": addToCode, "menu.tools": addToMessage, ".thread": addWayDown, ".message > .end": finish })
