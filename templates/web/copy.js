{# The one script there is. Without it, or where a browser gives no clipboard, the button stays hidden and the links beside it serve. #}
(function () {
  const button = document.querySelector("button[data-copy]"), said = document.querySelector("[data-copied]");
  if (!button || !said || !navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", function () {
    said.textContent = "";
    navigator.clipboard.writeText(button.dataset.copy).then(
      function () { said.textContent = said.dataset.copied; },
      function () { said.textContent = said.dataset.failed; });
  });
})();
