// Answers each line of standard input, a document as a JSON string, with one line: what html-validate has against it, as a list in JSON.
const { createInterface } = require("node:readline");
const { HtmlValidate, StaticConfigLoader } = require("html-validate");

const loader = new StaticConfigLoader({
  root: true,
  extends: ["html-validate:standard", "html-validate:a11y", "html-validate:document"],
  // Rules of style, which the standard leaves open.
  rules: { "long-title": "off", "require-sri": "off" },
});
const validator = new HtmlValidate(loader);
createInterface({ input: process.stdin }).on("line", async (line) => {
  const report = await validator.validateString(JSON.parse(line));
  const found = report.results.flatMap((result) => result.messages.map((one) => `line ${one.line}: ${one.ruleId}: ${one.message}`));
  process.stdout.write(JSON.stringify(found) + "\n");
});
