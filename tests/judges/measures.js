// What somebody with a small screen, a thick finger, wide letters, colours of their own or no mouse would stumble over.
// Each measure is a list of what it finds; tests/test_judges.py reads them into its pages.
globalThis.measures = (() => {
  const FINGER = 43.5;
  const ONE_MOMENT = 1; // ms, in which nobody sees anything move
  const CONTROLS = "a[href], button, input:not([type=hidden]), summary, select, textarea";
  const SPACED = `* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }
    p { margin-block-end: 2em !important }`;

  const style = element => getComputedStyle(element);
  const isTick = element => element.matches("[type=checkbox], [type=radio]");
  const isSeen = element => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".unseen, .skip");
  const seen = css => [...document.querySelectorAll(css)].filter(isSeen);

  const place = element => [element.localName, ...element.classList].join(".");
  const name = element => {
    const words = (element.getAttribute("aria-label") ?? element.textContent).trim().replace(/\s+/g, " ");
    return `${place(element)} “${words.replace(/[0-9a-f]{16,}/g, "…").slice(0, 30)}”`;
  };

  const isRunningText = link => style(link).display.startsWith("inline") && (link.closest(".text") !== null
    || [...link.parentElement.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()));

  const isCut = element => {
    const { overflowX, overflowY, textOverflow } = style(element);
    const hides = overflow => overflow === "hidden" || overflow === "clip";
    return textOverflow !== "ellipsis"
      && (hides(overflowX) && element.scrollWidth > element.clientWidth + 1
        || hides(overflowY) && element.scrollHeight > element.clientHeight + 1);
  };

  const hasBorder = element => style(element).borderBlockEndStyle !== "none" && parseFloat(style(element).borderBlockEndWidth) > 0;
  const framed = element => element.matches("textarea") && element.closest(".composer") || element;

  // The tree as it is shown: what stands in slots, where the slots are.
  const shown = function* (node) {
    if (node instanceof Element) yield node;
    const inner = node.shadowRoot ?? node;
    const children = inner instanceof HTMLSlotElement ? inner.assignedNodes() : inner.childNodes;
    for (const child of children) yield* shown(child);
  };
  const isStop = element => element.tabIndex >= 0 && element.checkVisibility({ visibilityProperty: true })
    && !element.disabled && element.matches(`${CONTROLS}, [tabindex]`)
    && !(element.matches("[type=radio]") && !element.checked && document.querySelector(`[name="${element.name}"]:checked`));
  const stops = () => [...shown(document.body)].filter(isStop);

  return {
    sideways: () => {
      const width = document.scrollingElement.scrollWidth;
      return width <= innerWidth ? [] : [`${width} in a window of ${innerWidth}`];
    },
    small: () => seen(CONTROLS).filter(element => !isRunningText(element)).flatMap(element => {
      const { width, height } = (isTick(element) && element.closest("label") || element).getBoundingClientRect();
      return width < FINGER || height < FINGER ? [name(element)] : [];
    }),
    cut: () => {
      const whole = seen("body :not(input)").filter(element => !isCut(element));
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(SPACED);
      document.adoptedStyleSheets = [sheet];
      const found = whole.filter(isCut).map(name);
      document.adoptedStyleSheets = [];
      return found;
    },
    borderless: () => seen("button:not(.link), a.button, select, input:not([type=hidden], [type=file]), textarea")
      .filter(element => !isTick(element) && !hasBorder(framed(element))).map(place),
    moving: () => document.getAnimations().filter(({ effect }) => effect.getComputedTiming().duration > ONE_MOMENT)
      .map(({ animationName, transitionProperty, effect }) => `${animationName ?? transitionProperty} of ${name(effect.target)}`),

    // For somebody who presses Tab: what there is in order, and where the focus is.
    stops: () => stops().map(name),
    stop: () => stops().indexOf(document.activeElement),
    isMarked: () => {
      const { outlineStyle, outlineWidth } = style(framed(document.activeElement));
      return outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
    },
    parts: () => stops().map(element => element.closest(".bar, .sidebar, .menu, .thread, .composer")?.className.split(" ")[0] ?? ""),
  };
})();
