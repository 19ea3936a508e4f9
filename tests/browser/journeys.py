"""The administrator's site in Chromium: journeys, every page, accessibility, and its API.

In: the program (POSTERN_PROGRAM), axe-core's file or nothing (POSTERN_AXE), a folder
(POSTERN_PLACE). Out: one line a step; screenshots below the folder; exit code 1 when a step
failed. What cannot be done says so and why. Started by tests/browser/run.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from box import Box, Clamd, serve

PASSWORD = "copper lantern 47 sings"
PLACE = pathlib.Path(os.environ["POSTERN_PLACE"]).resolve()
SHOTS = PLACE / "screenshots"
AXE = os.environ.get("POSTERN_AXE")
# Of axe-core: what WCAG 2.2 asks at levels A and AA.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SITE = pathlib.Path(__file__).resolve().parents[2] / "src/admin/site"
RIGHTS = ["see-mail", "see-content", "queue", "quarantine", "senders", "see-policy",
          "policy", "see-settings", "settings", "people", "audit"]
ROLES = ["administrator", "policy", "quarantine", "helpdesk", "auditor"]

failed = []
counts = {"passed": 0, "skipped": 0}


def skip(what, why):
    counts["skipped"] += 1
    print(f"skipped  {what}: {why}", flush=True)
    if log := os.environ.get("POSTERN_SKIP_LOG"):
        with open(log, "a") as out:
            out.write(f"browser: {what}: {why}\n")


def step(name, work, *args):
    begun = time.time()
    try:
        work(*args)
    except Exception as error:
        failed.append(name)
        print(f"FAILED   {name}: {type(error).__name__}: {error}", flush=True)
        traceback.print_exc(limit=4)
        return
    counts["passed"] += 1
    print(f"passed   {name} ({time.time() - begun:.1f} s)", flush=True)


def pages():
    """The GET pages of the table of routes without braces, as the sources have them."""
    found = set()
    for file in sorted(SITE.rglob("*.rs")):
        found.update(re.findall(r'route!\(\s*GET\s+"(/[^"{]*)"', file.read_text()))
    plain = {"/health", "/metrics", "/login", "/setup", "/tracking/find"}
    return sorted(path for path in found - plain if "." not in path and "events" not in path)


def code_of(secret, at=None):
    """RFC 6238: SHA-1, six digits, thirty seconds."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step_now = struct.pack(">Q", int((at or time.time()) // 30))
    digest = hmac.new(key, step_now, hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start:start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


class Browser:
    """Chromium at one width, with or without JavaScript."""

    def __init__(self, box, script=True, width=1280, height=900):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--ignore-certificate-errors", "--hide-scrollbars"):
            options.add_argument(flag)
        if not script:
            setting = {"profile.managed_default_content_settings.javascript": 2}
            options.add_experimental_option("prefs", setting)
        service = webdriver.ChromeService("/usr/bin/chromedriver")
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(120)
        self.box, self.width = box, width
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def open(self, path):
        self.driver.get(self.box.address + path)
        return self

    def at(self, selector):
        return WebDriverWait(self.driver, 60).until(
            lambda driver: driver.find_element(By.CSS_SELECTOR, selector))

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def fill(self, **fields):
        for name, value in fields.items():
            field = self.at(f"main [name='{name}']")
            field.clear()
            field.send_keys(value)
        return self

    def press(self, words):
        """Presses the button of these words and waits for the next page."""
        here = self.at("html")
        for button in self.all("main button") + self.all("header button"):
            if words in button.text:
                self.driver.execute_cdp_cmd("Page.bringToFront", {})
                button.click()
                WebDriverWait(self.driver, 120).until(lambda _: self.has_left(here))
                return self
        raise AssertionError(f"no button {words!r} on {self.driver.current_url}")

    @staticmethod
    def has_left(element):
        try:
            element.is_enabled()
            return False
        except Exception:
            return True

    @property
    def text(self):
        return self.at("body").text

    def says(self, words):
        WebDriverWait(self.driver, 60).until(
            lambda _: words in self.text, f"{words!r} is not on {self.driver.current_url}:\n"
            + self.text[:1500])

    def shot(self, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": self.width, "height": min(size["height"], 4000),
                     "scale": 1}})
        (SHOTS / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))

    def log_in(self, name, password=PASSWORD, code=None):
        self.open("/login").fill(name=name, password=password)
        if code:
            self.fill(code=code)
        self.press("Log in")
        assert "/login" not in self.driver.current_url, self.text
        return self

    def violations(self, only=None):
        """What axe-core finds against WCAG 2.2 AA on this page; of some rules only when named."""
        if not AXE:
            return []
        asked = {"type": "rule", "values": only} if only else {"type": "tag", "values": TAGS}
        self.driver.execute_script(pathlib.Path(AXE).read_text())
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, { runOnly: arguments[0] })"
            ".then(done, (error) => done({ failure: String(error) }));", asked)
        assert "failure" not in found, found
        return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
                for one in found["violations"]]

    def end(self):
        self.driver.quit()


def call(box, method, path, key, body=None):
    """A request to the API by key."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(
        box.address + path, method=method, data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        return json.load(answer)


def in_page(browser, method, path, body):
    """A request to the API by the session of a page, as its script could make it."""
    answer = browser.driver.execute_async_script(
        "const [method, path, body, done] = arguments;"
        "const mark = document.querySelector('[name=csrf]').value;"
        "fetch(path, { method, body, headers:"
        " { 'Content-Type': 'application/json', 'X-CSRF-Token': mark } })"
        ".then(async (answer) => done([answer.status, await answer.text()]),"
        " (error) => done([0, String(error)]));", method, path, json.dumps(body))
    assert answer[0] == 200, answer
    return json.loads(answer[1])


def first_visit(root, box):
    root.open("/")
    root.says("One-time code")
    root.shot("setup-code")
    assert not root.violations(), root.violations()
    root.fill(code=box.code).press("")
    root.says("Who owns this box?")
    root.shot("setup-owner")
    root.fill(name="root", password=PASSWORD, again=PASSWORD).press("")
    root.open("/account")
    root.says("root")


def second_factor(root, box):
    root.open("/account/second")
    root.shot("account-second")
    form = "form[action='/account/second']"
    secret = root.at(f"{form} input[name=secret]").get_attribute("value")
    root.at(f"{form} [name=password]").send_keys(PASSWORD)
    root.at(f"{form} [name=code]").send_keys(code_of(secret))
    here = root.at("html")
    root.at(f"{form} button[type=submit]").click()
    WebDriverWait(root.driver, 60).until(lambda _: root.has_left(here))
    root.shot("account-recovery-codes")
    other = Browser(box)
    try:
        other.open("/login").fill(name="root", password=PASSWORD).press("Log in")
        assert "/login" in other.driver.current_url, "in without a code"
        time.sleep(31 - time.time() % 30)
        other.fill(name="root", password=PASSWORD, code=code_of(secret)).press("Log in")
        assert "/login" not in other.driver.current_url, other.text
    finally:
        other.end()


# What somebody meets who sets a box up: fields to be filled, and those that are filled already.
FIELDS = """return [...document.querySelectorAll('main input, main textarea')]
    .filter((one) => !['hidden', 'checkbox', 'file'].includes(one.type) && one.offsetParent)
    .map((one) => [one.name, one.required, Boolean(one.value)])"""


def certificate(box):
    """A chain and its key for the box's name, or nothing where there is no openssl."""
    chain, key = box.folder / "chain.pem", box.folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:prime256v1", "-nodes", "-days", "90", "-subj", "/CN=mx.house.test",
               "-addext", "subjectAltName=DNS:mx.house.test", "-keyout", key, "-out", chain]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        skip("upload of a certificate", str(error))
        return None
    return chain, key


def whole_set_up():
    """A box as shipped, from the first page to a message that arrived and one that did not; with
    the time that the machine takes for it, and what a person would have to type and press."""
    box = Box(os.environ["POSTERN_PROGRAM"], has_rules=False, is_shipped=True)
    clamd = serve(Clamd)
    pem = certificate(box)
    one = Browser(box)
    met = {"pages": 0, "typed": [], "pressed": 0, "files": 0}

    def visit(path, words):
        one.open(path)
        one.says(words)
        met["pages"] += 1
        one.shot("set-up-" + (path.strip("/").replace("/", "-") or "first"))
        assert not one.violations(), one.violations()

    def typed(**fields):
        one.fill(**fields)
        met["typed"] += fields

    def pressed(words, then):
        one.press(words)
        met["pressed"] += 1
        one.says(then)

    begun = time.time()
    try:
        visit("/", "One-time code")
        typed(code=box.code)
        pressed("Go on", "Who owns this box?")
        typed(name="root", password=PASSWORD, again=PASSWORD)
        met["pages"] += 1
        pressed("Make this account", "First steps")
        visit("/setup/name", "Host name")
        typed(hostname="mx.house.test")
        pressed("Save", "The box is mx.house.test now")
        visit("/setup/domains", "No domain is protected yet")
        typed(name="example.test", next_hop=box.hop)
        pressed("Protect it", "example.test is protected")
        pressed("Test", "it takes mail for postmaster@example.test")
        one.shot("set-up-hop")
        asked = time.time()
        visit("/setup/dns", "This box")
        print(f"         DNS, whose servers are dead: {time.time() - asked:.1f} s")
        visit("/setup/certificate", "self-signed by the box")
        if pem:
            for name, file in zip(("chain", "key"), pem):
                one.at(f"input[name={name}]").send_keys(str(file))
                met["files"] += 1
            pressed("Check it", "The certificate is in force")
            one.says("days left")
        visit("/setup/antivirus", "No virus scanner is configured")
        typed(clamd=f"tcp:127.0.0.1:{clamd.server_address[1]}")
        pressed("Save", "It is in force")
        pressed("Try it now", "The test file is known as")
        one.shot("set-up-antivirus-tried")
        visit("/setup/message", "the mail is really delivered")
        before = [field for field in one.driver.execute_script(FIELDS) if field[1] and not field[2]]
        assert not before, f"to be typed although it is known: {before}"
        pressed("Send the test message", "the box has taken the message")
        one.says("delivered")
        one.shot("set-up-message-sent")
        one.at("input[name=eicar]").click()
        pressed("Send the test message", "The listener")
        one.says("Eicar-Test-Signature")
        one.shot("set-up-message-infected")
        visit("/setup", "First steps")
        pictured = [badge.text for badge in one.all("ol .badge")]
        assert "none yet" not in pictured, pictured
        assert box.sink.mails == 1, f"{box.sink.mails} mails arrived"
        took = time.time() - begun
        print(f"         the whole set-up: {took:.1f} s of the machine; {len(met['typed'])} fields "
              f"({' '.join(met['typed'])}), {met['files']} files, {met['pressed']} buttons, "
              f"{met['pages']} pages", flush=True)
        assert took < 300, "half of the ten minutes is for the person"
    finally:
        one.end()
        clamd.shutdown()
        box.end()


# What one page may weigh, with all that it loads.
MOST_OCTETS = 300_000
WEIGHT = """return ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
    .reduce((sum, one) => sum + one.decodedBodySize, 0)"""


def every_page(browser, label, paths, is_narrow=False, only=None):
    bad, weights = [], {}
    for path in paths:
        browser.open(path)
        name = path.strip("/").replace("/", "-") or "dashboard"
        browser.shot(f"{label}-{name}")
        title = browser.driver.title
        if "broke" in title or "Not found" in title:
            bad.append(f"{path}: {title}")
        weights[path] = browser.driver.execute_script(WEIGHT)
        if weights[path] > MOST_OCTETS:
            bad.append(f"{path}: {weights[path]} octets")
        if len(browser.all("h1")) != 1:
            bad.append(f"{path}: {len(browser.all('h1'))} h1")
        bad += [f"{path}: {one}" for one in browser.violations(only)]
        if is_narrow:
            wide = browser.driver.execute_script("return document.documentElement.scrollWidth")
            if wide > browser.width:
                bad.append(f"{path}: {wide} px wide on {browser.width}")
        for entry in browser.driver.get_log("browser"):
            if entry["level"] == "SEVERE" and "favicon" not in entry["message"]:
                bad.append(f"{path}: {entry['message'][:200]}")
    heaviest = max(weights, key=weights.get)
    print(f"         heaviest with all that it loads: {heaviest}, {weights[heaviest]} octets")
    assert not bad, "\n  " + "\n  ".join(bad)


def in_theme(browser, theme, paths):
    for _ in range(3):
        present = browser.open("/account").at("html").get_attribute("data-theme")
        if present == theme:
            break
        browser.at("header form[action='/theme'] button").click()
    assert browser.at("html").get_attribute("data-theme") == theme
    # The pages are the same but for their colours.
    every_page(browser, theme, paths, only=["color-contrast"])


def policy_journey(root, box):
    draft = ('\n[[rule]]\nname = "drop lists"\nwhen = { subject = "weekly" }\n'
             'orders = "discard"\n')
    root.open("/policy/text")
    text = root.at("textarea[name=text]")
    text.send_keys("\nnonsense")
    root.says("This cannot be published")
    root.shot("policy-wrong-draft")
    for _ in "\nnonsense":
        text.send_keys("\ue003")
    text.send_keys(draft)
    root.says("nothing is wrong with them")
    root.press("Ask past mail")
    root.says("All in all")
    root.says("drop lists")
    root.shot("policy-replay")
    root.fill(reason="lists are not wanted").press("Publish these rules")
    root.says("is in force: lists are not wanted")
    root.shot("policy-published")
    assert 'drop lists' in (box.folder / "rules.toml").read_text()
    root.open("/policy/history").says("lists are not wanted")
    root.open("/policy/rule?name=hold+plans")
    root.fill(description="Plans are looked at first").press("Show what changes")
    root.says("+ description")
    root.fill(reason="said why").press("Publish these rules")
    text = (box.folder / "rules.toml").read_text()
    assert "# by IG" in text and "Plans are looked at first" in text, text


def tracking_journey(root, box):
    root.open("/tracking?any=bob%40example.test")
    root.says("The plans of the house")
    root.shot("tracking-found")
    link = [one for one in root.all("main a")
            if re.search(r"/tracking/[0-9A-Z]{20}$", one.get_attribute("href") or "")]
    root.driver.get(link[0].get_attribute("href"))
    root.says("bob@example.test")
    root.shot("tracking-mail")
    assert not root.violations(), root.violations()


def live(root, box):
    """The counters of the dashboard move without a new page."""
    root.open("/")
    here, before = root.at("html"), root.at("[data-live=inbound]").text
    box.send("A word for the counters")
    WebDriverWait(root.driver, 30).until(
        lambda _: root.at("[data-live=inbound]").text != before, "the counter stands still")
    assert int(root.at("[data-live=inbound]").text) == int(before) + 1
    assert not root.has_left(here), "it was another page"


def find(root, box):
    """The field on every page finds by whatever somebody was told."""
    for text, words in [("ann@sender.test", "The plans of the house"),
                        ("weekly list", "Our weekly list"), ("127.0.0.1", "Our weekly list")]:
        root.open("/people")
        here, field = root.at("html"), root.at("#find")
        field.send_keys(text + "\ue007")
        WebDriverWait(root.driver, 60).until(lambda _, here=here: root.has_left(here))
        root.says(words)
    root.open("/tracking?any=nobody%40nowhere.test").says("No mail was found that fits")
    root.shot("tracking-none")


def queue_journey(root, box):
    for number in range(3):
        box.send(f"It waits {number}", "later@example.test")
    for _ in range(150):
        if "come again later" in root.open("/queue").text:
            break
        time.sleep(0.2)
    root.says("It waits 2")
    root.shot("queue-list")
    assert not root.violations(), root.violations()
    root.driver.get(root.all("main td a[href^='/queue/']")[0].get_attribute("href"))
    root.says("come again later")
    root.shot("queue-mail")
    assert not root.violations(), root.violations()
    root.press("Hold")
    root.says("1 mail held")
    root.open("/queue?state=hold").says("It waits")
    for tick in root.open("/queue").all("input[name=id]"):
        tick.click()
    root.driver.execute_script("window.confirm = () => true")
    root.press("Remove")
    root.says("3 mails removed")
    root.says("Nothing waits.")
    root.shot("queue-empty")


def bulk(root, box):
    """All that fit the filter, and not only what is ticked on this page."""
    for number in range(52):
        box.send(f"plans in bulk {number}")
    root.open("/quarantine?text=bulk")
    root.at("input[name=all]").click()
    root.driver.execute_script("window.confirm = () => true")
    root.press("Delete the ticked")
    root.says("52 mails fit the filter")
    root.shot("quarantine-all")
    assert not root.violations(), root.violations()
    root.press("Yes, all")
    root.says("52 mails deleted")
    root.says("Nothing is kept that fits")
    root.shot("quarantine-none")


def release_by_page(root, box, has_page):
    before = box.sink.mails
    story = None
    if has_page:
        root.open("/quarantine").says("The plans of the house")
        root.shot("quarantine-list")
        link = [one for one in root.all("main a")
                if re.search(r"/quarantine/[0-9A-Z]{20}$", one.get_attribute("href") or "")]
        root.driver.get(link[0].get_attribute("href"))
        root.shot("quarantine-mail")
        story = root.at("dl.facts a[href^='/tracking/']").get_attribute("href")
        root.driver.execute_script("window.confirm = () => true")
        root.press("Release")
    else:
        skip("release by page", "there is no page of the quarantine; done over the API")
        root.open("/account")
        listed = in_page_get(root, "/api/quarantine")
        in_page(root, "POST", f"/api/quarantine/{listed['mails'][0]['mail_id']}/release", {})
    for _ in range(300):
        if box.sink.mails > before:
            break
        time.sleep(0.2)
    else:
        raise AssertionError("the released mail did not arrive")
    if story:
        # From the kept mail to the one that it became, which has its own addresses.
        root.driver.get(story)
        root.says("goes on as mail")
        root.shot("tracking-released")
        root.driver.get(root.at("td a[href^='/tracking/']").get_attribute("href"))
        root.says("out of quarantine")
        root.says("bob@example.test")
        assert not root.violations(), root.violations()


def in_page_get(browser, path):
    answer = browser.driver.execute_async_script(
        "const [path, done] = arguments;"
        "fetch(path).then(async (answer) => done(await answer.json()), (error) => done(null));", path)
    assert answer is not None
    return answer


def roles(box):
    for role in ROLES:
        one = Browser(box)
        try:
            one.log_in(f"one-{role}")
            one.open("/account").shot(f"role-{role}")
            links = {re.sub(r"^https://[^/]+", "", link.get_attribute("href"))
                     for link in one.all("header nav a")}
            allowed = {"/policy": role in ("administrator", "policy", "auditor"),
                       "/people": False,
                       "/audit": role in ("administrator", "auditor"),
                       "/settings": role in ("administrator", "auditor")}
            for path, may in allowed.items():
                assert (path in links) == may, f"{role}: {path} in {links}"
                one.open(path)
                assert ("Not allowed" in one.driver.title) != may, f"{role} {path}"
        finally:
            one.end()


def without_script(box):
    one = Browser(box, script=False)
    try:
        one.log_in("one-administrator")
        one.open("/policy/text")
        one.at("textarea[name=text]").send_keys("\nnonsense")
        one.press("Check and show what changes")
        one.says("This cannot be published")
        one.open("/policy/try").fill(pattern="pl[a-z]+", text="the plans")
        one.press("Try")
        one.says("It matches 1 times")
        one.shot("without-script")
    finally:
        one.end()


class Described(threading.Thread):
    """A box of its own, whose answers are held against its document meanwhile."""

    def __init__(self):
        super().__init__(daemon=True)
        self.box = Box(os.environ["POSTERN_PROGRAM"], has_rules=False)
        self.key, self.error = None, None

    def begin(self):
        root = Browser(self.box)
        try:
            first_visit(root, self.box)
            root.open("/policy").says("no rules of your own yet")
            root.shot("policy-none")
            root.press("Begin with an empty text of rules")
            root.says("There is a text of rules now")
            root.open("/account")
            self.key = in_page(root, "POST", "/api/account/keys",
                               {"label": "b", "rights": RIGHTS})["secret"]
        finally:
            root.end()
        self.start()

    def run(self):
        try:
            against_document(self.box, self.key)
        except Exception as error:
            self.error = error

    def ended(self):
        self.join()
        if self.error:
            raise self.error


def against_document(box, key):
    command = [
        PLACE / "env/bin/schemathesis", "run", box.address + "/api/openapi.json",
        "--header", f"Authorization: Bearer {key}", "--tls-verify", "false",
        "--workers", "2", "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
                    "response_schema_conformance,negative_data_rejection,ignored_auth",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--rate-limit", "900/m",
        "--generation-database", "none", "--no-color", "--seed", "1", "--request-timeout", "60",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False,
                          cwd=PLACE)
    (PLACE / "schemathesis.log").write_text(done.stdout + done.stderr)
    tail = (done.stdout + done.stderr).strip()[-3000:]
    assert done.returncode == 0, f"schemathesis: {done.returncode}\n{tail}"


def main():
    box = Box(os.environ["POSTERN_PROGRAM"])
    root = Browser(box)
    described = Described()
    try:
        if not AXE:
            skip("accessibility", "there is no axe-core")
        for subject in ["The plans of the house", "Our weekly list"]:
            box.send(subject)
        step("first visit", first_visit, root, box)
        step("the whole set-up, to a message that arrived", whole_set_up)
        step("a box without rules begins a text of them", described.begin)
        root.open("/account")
        key = in_page(root, "POST", "/api/account/keys", {"label": "b", "rights": RIGHTS})["secret"]
        for role in ROLES:
            call(box, "POST", "/api/people", key,
                 {"name": f"one-{role}", "password": PASSWORD, "role": role})
        there = pages()
        print(f"pages: {' '.join(there)}", flush=True)
        step("each page", every_page, root, "light", there)
        step("each page, dark", in_theme, root, "dark", there)
        phone = Browser(box, width=390, height=844)
        try:
            step("log-in on a phone", phone.log_in, "one-administrator")
            own = [path for path in there if not path.startswith("/people")]
            step("each page on a phone", every_page, phone, "phone", own, True)
        finally:
            phone.end()
        step("live counters", live, root, box)
        step("queue: look, hold, remove", queue_journey, root, box)
        step("one field finds all", find, root, box)
        step("policy: edit, ask past mail, publish, form", policy_journey, root, box)
        if "/tracking" in there:
            step("tracking", tracking_journey, root, box)
        else:
            skip("tracking", "there is no such page")
        step("release", release_by_page, root, box, "/quarantine" in there)
        step("all that fit a filter", bulk, root, box)
        step("roles", roles, box)
        step("without JavaScript", without_script, box)
        if "/account/second" in there:
            step("log-in with a second factor", second_factor, root, box)
        else:
            skip("second factor", "there is no such page")
        if described.key:
            step("the API against its document", described.ended)
    finally:
        root.end()
        described.box.end()
        box.end()
    print(f"browser: {counts['passed']} passed, {len(failed)} failed, {counts['skipped']} skipped")
    # In the words of the other tests, for whoever counts them.
    print(f"test result: {'FAILED' if failed else 'ok'}. {counts['passed']} passed; "
          f"{len(failed)} failed; {counts['skipped']} ignored")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
