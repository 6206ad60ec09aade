"""Looks at a node's pages with a real browser, on a desk and on a phone, with JavaScript switched off as well.

    python pages.py http://127.0.0.1:8014
"""

import shutil
import sys

from playwright.sync_api import sync_playwright

ROOT = sys.argv[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


def check(condition, words):
    if not condition:
        sys.exit(f"pages: {words}")


def visit(page, path, strangers):
    answer = page.goto(ROOT + path)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    check(wide <= 0, f"{path} is {wide} px wider than a window of {page.viewport_size['width']} px")
    check(page.locator("h1, form.find").count() >= 1, f"{path} has neither a heading nor a search form")
    check(not strangers, f"{path} asked for {strangers}")
    check(page.title() != "owned", f"{path} ran what a document brought")
    return answer


def look(browser, width, height):
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    strangers, errors = [], []
    page.on("request", lambda request: None if request.url.startswith(ROOT) else strangers.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    visit(page, "/", strangers)
    check(page.locator("ol.hits > li").count() >= 10, "the first page lists what is newest")
    page.fill("#q", "governance")
    page.press("#q", "Enter")
    page.wait_for_url("**q=governance**")
    check(page.locator("mark").count() >= 1, "a search marks what was found")
    check(page.locator(".narrow details").count() >= 1, "a search has counts to narrow by")
    visit(page, "/?q=" + "الذكاء", strangers)
    check(page.locator("ol.hits > li").count() >= 1, "an Arabic word finds an Arabic document")
    visit(page, "/?q=nothing-of-that-kind", strangers)
    check("Nothing matches" in page.content(), "an empty result says what to do")
    visit(page, "/KE-LC01/vn-law-on-ai", strangers)
    check("Signed by the desk" in page.content(), "a document says who signed it")
    visit(page, "/KE-LC01/ae-ai-charter", strangers)
    direction = page.locator("h1").evaluate("node => getComputedStyle(node).direction")
    check(direction == "rtl", "an Arabic title runs from right to left")
    visit(page, "/KE-LC01/hostile", strangers)
    check(page.locator("article script, article img, a[href^=javascript]").count() == 0, "a document brings nothing that runs")
    visit(page, "/members", strangers)
    visit(page, "/network", strangers)
    check(visit(page, "/FI/none", strangers).status == 404, "what is not held is not found")
    check(not errors, f"errors on the pages: {errors}")


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
    look(browser, 1280, 900)
    look(browser, 390, 844)
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(ROOT)
    check(plain.locator("ol.hits > li").count() >= 10, "the pages need no JavaScript")
    browser.close()
