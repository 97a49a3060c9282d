//! A small client of the WebDriver protocol (W3C, <https://www.w3.org/TR/webdriver2/>), for
//! Chromium and its driver.

use crate::harness::{Answer, Dir, Request, eventually, keep};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

/// The key under which an element's id is given.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys, as the protocol names them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";

/// A phone's and a desk's window, in CSS pixels.
pub const PHONE: (u32, u32) = (390, 844);
pub const DESK: (u32, u32) = (1280, 900);

pub struct Browser {
    driver: Child,
    /// The browser itself, which the driver only finds.
    chromium: Child,
    address: String,
    session: String,
    javascript: bool,
    dark: bool,
    _dir: Dir,
}

/// What draws pages: Chromium without the window around them, which takes a third of the time, or the whole of it.
const BROWSERS: [&str; 5] = [
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
];

/// Where a program is, if it is installed.
fn program(names: &[&str]) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    names.iter().find_map(|name| {
        let at = path.split(':').map(|dir| format!("{dir}/{name}"));
        at.into_iter().find(|file| std::path::Path::new(file).is_file())
    })
}

/// Whether pages are to be photographed for somebody to look at: that takes a fifth of the time of a page's test.
fn pictures_are_wanted() -> bool {
    std::env::var_os("NTS_TEST_PICTURES").is_some()
}

/// Keeps a picture, which the driver gives in base64.
fn keep_picture(name: &str, picture: &Value) {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(picture.as_str().unwrap())
        .expect("a picture");
    assert!(bytes.len() > 2_000, "an empty picture");
    keep(&format!("{name}.png"), &bytes);
}

impl Browser {
    /// Starts a browser; `None` if there is none here and that may be.
    pub fn start(javascript: bool, size: (u32, u32), dark: bool) -> Option<Browser> {
        Browser::start_with(javascript, size, dark, Vec::new())
    }

    /// The same with more arguments for the browser.
    pub fn start_with(
        javascript: bool,
        (width, height): (u32, u32),
        dark: bool,
        mut arguments: Vec<String>,
    ) -> Option<Browser> {
        let (Some(chromium), Some(driver)) = (program(&BROWSERS), program(&["chromedriver"]))
        else {
            let why =
                "Chromium or chromedriver is not installed (packages chromium and chromium-driver)";
            assert!(std::env::var_os("NTS_TEST_ALL").is_none(), "{why}");
            println!("left out: the browser tests. {why}; ./check installs them");
            return None;
        };
        let dir = Dir::new("browser");
        let port = free_port();
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = command.spawn().unwrap();
        let profile = dir.path("profile");
        arguments.extend([
            "--headless".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--disable-dev-shm-usage".into(),
            "--remote-debugging-port=0".into(),
            format!("--user-data-dir={}", profile.display()),
            format!("--window-size={width},{height}"),
            "about:blank".into(),
        ]);
        let mut command = Command::new(chromium);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let chromium = command.spawn().unwrap();
        let (address, session) = (format!("127.0.0.1:{port}"), String::new());
        let mut browser =
            Browser { driver, chromium, address, session, javascript, dark, _dir: dir };
        eventually("the driver answers", || {
            Request::get("/status").send(&browser.address).is_ok_and(|a| a.status == 200)
        });
        // The browser writes its port there, once it listens.
        let told = profile.join("DevToolsActivePort");
        let port = || {
            let told = std::fs::read_to_string(&told).unwrap_or_default();
            told.split_once('\n').map(|(port, _)| port.to_owned())
        };
        eventually("the browser listens", || port().is_some());
        let options = json!({"debuggerAddress": format!("127.0.0.1:{}", port().unwrap())});
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.command("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        // The rest of a page may still come when its beginning is shown.
        browser.ask("POST", "timeouts", &json!({"implicit": 5_000}));
        let phone = width < 500;
        let metrics = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": if phone { 2 } else { 1 },
            "mobile": phone,
        });
        browser.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        browser.devtools("Emulation.setTouchEmulationEnabled", &json!({"enabled": phone}));
        browser.media("");
        // An empty page of a phone is as wide as pages that do not think of phones.
        let is = browser.run(
            "const phone = navigator.maxTouchPoints > 0;
             const dark = matchMedia('(prefers-color-scheme: dark)').matches;
             return [phone ? screen.width : innerWidth, dark, phone];",
        );
        assert_eq!(is, json!([width, dark, phone]), "the browser is as it was asked for");
        if !javascript {
            browser.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
        }
        Some(browser)
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, value) = self.try_command(method, path, body);
        assert!(status == 200, "{method} {path} {body}: {value}");
        value
    }

    fn try_command(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut request = Request::new(method, path);
        if method == "POST" {
            request = request.json(body);
        }
        let answer: Answer = request.send(&self.address).expect("the driver answers");
        (answer.status, answer.json()["value"].take())
    }

    fn ask(&self, method: &str, what: &str, body: &Value) -> Value {
        self.command(method, &format!("/session/{}/{what}", self.session), body)
    }

    /// Asks the browser itself (<https://chromedevtools.github.io/devtools-protocol/>).
    fn devtools(&self, command: &str, params: &Value) -> Value {
        self.ask("POST", "goog/cdp/execute", &json!({"cmd": command, "params": params}))
    }

    /// Shows pages as on this medium (`print`, or nothing for a screen), in the colours that were asked for.
    fn media(&self, medium: &str) {
        let colours = if self.dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": colours}]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({"media": medium, "features": features}),
        );
    }

    pub fn goto(&self, url: &str) {
        self.ask("POST", "url", &json!({"url": url}));
    }

    pub fn url(&self) -> String {
        self.ask("GET", "url", &Value::Null).as_str().unwrap().to_owned()
    }

    pub fn back(&self) {
        self.ask("POST", "back", &json!({}));
    }

    pub fn reload(&self) {
        self.ask("POST", "refresh", &json!({}));
    }

    fn find(&self, css: &str) -> String {
        let found = self.ask("POST", "element", &json!({"using": "css selector", "value": css}));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// Clicks as a person does. Without JavaScript the driver's own click would wait for ever for
    /// a script of its own, so the key is pressed instead: that works for people, too.
    pub fn click(&self, css: &str) {
        let (what, body) = match self.javascript {
            true => ("click", json!({})),
            false => ("value", json!({"text": "\u{e007}"})),
        };
        // The page may be replaced between the two: it refreshes itself, or comes a moment later.
        nts_testkit::eventually("it can be clicked", || {
            // Where a person would see it: not below what stays at an edge of the window.
            if self.javascript {
                let element = json!({ELEMENT: self.find(css)});
                let script = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})";
                let body = json!({"script": script, "args": [element]});
                let path = format!("/session/{}/execute/sync", self.session);
                _ = self.try_command("POST", &path, &body);
            }
            let path = format!("/session/{}/element/{}/{what}", self.session, self.find(css));
            let (status, value) = self.try_command("POST", &path, &body);
            let replaced = value.to_string().contains("does not belong to the document")
                || value["error"] == "stale element reference"
                || value["error"] == "element click intercepted";
            assert!(status == 200 || replaced, "{css}: {value}");
            status == 200
        });
    }

    pub fn fill(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.ask("POST", &format!("element/{element}/clear"), &json!({}));
        self.ask("POST", &format!("element/{element}/value"), &json!({"text": text}));
    }

    /// From now on what is found is found in this frame; [`Browser::leave_frame`] leads out again.
    pub fn enter_frame(&self, css: &str) {
        let element = self.find(css);
        self.ask("POST", "frame", &json!({"id": {ELEMENT: element}}));
    }

    pub fn leave_frame(&self) {
        self.ask("POST", "frame", &json!({"id": null}));
    }

    /// Whether there is such an element.
    pub fn has(&self, css: &str) -> bool {
        let found = self.ask("POST", "elements", &json!({"using": "css selector", "value": css}));
        !found.as_array().unwrap().is_empty()
    }

    pub fn source(&self) -> String {
        self.ask("GET", "source", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Waits until the page says so.
    pub fn shows(&self, text: &str) {
        let mut last = String::new();
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_secs(15) {
            last = self.source();
            if last.contains(text) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the page does not say “{text}”: {} {last}", self.url());
    }

    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "execute/sync", &json!({"script": script, "args": []}))
    }

    /// Runs a script that calls its last argument when it is done, and gives what it calls it with.
    pub fn run_async(&self, script: &str) -> Value {
        self.ask("POST", "execute/async", &json!({"script": script, "args": []}))
    }

    /// What the browser complained about: scripts that fail, and what the page's policy forbids.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "se/log", &json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|e| e["level"] == "SEVERE");
        severe.map(|e| e["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Keeps a picture of the page for a person to look at, if it is wanted.
    pub fn picture(&self, name: &str) {
        if pictures_are_wanted() {
            self.photograph(name);
        }
    }

    /// Keeps a picture of the page in any case.
    pub fn photograph(&self, name: &str) {
        keep_picture(name, &self.ask("GET", "screenshot", &Value::Null));
    }
}

impl Browser {
    /// Keeps a picture of the whole page, also of what one has to scroll to.
    pub fn whole_picture(&self, name: &str) {
        if !pictures_are_wanted() {
            return;
        }
        let whole = json!({"captureBeyondViewport": true});
        keep_picture(name, &self.devtools("Page.captureScreenshot", &whole)["data"]);
    }

    /// From now on this header goes with every request.
    pub fn send_header(&self, name: &str, value: &str) {
        self.devtools("Network.enable", &json!({}));
        self.devtools("Network.setExtraHTTPHeaders", &json!({"headers": {name: value}}));
    }

    /// Whether the page has a network from now on.
    pub fn network(&self, on: bool) {
        self.devtools("Network.enable", &json!({}));
        let params =
            json!({"offline": !on, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.devtools("Network.emulateNetworkConditions", &params);
    }

    /// From now on scripts of the page take so many times as long. Threads of the page (`Worker`) are not slowed.
    pub fn slow_down(&self, times: u32) {
        self.devtools("Emulation.setCPUThrottlingRate", &json!({"rate": times}));
    }

    /// From now on this script runs in every page before its own.
    pub fn before_pages(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({"source": script}));
    }

    /// Forgets a cookie of this page.
    pub fn forget_cookie(&self, name: &str) {
        self.ask("DELETE", &format!("cookie/{name}"), &Value::Null);
    }

    /// Types on the keyboard, wherever the focus is.
    pub fn keys(&self, text: &str) {
        let strokes: Vec<Value> = text
            .chars()
            .flat_map(|c| {
                ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": c.to_string()}))
            })
            .collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.ask("POST", "actions", &json!({"actions": [keyboard]}));
    }

    /// Presses the tab key until what has the focus is this. Everything on the way shows that it has it.
    pub fn tab_to(&self, css: &str) {
        for _ in 0..120 {
            self.keys(TAB);
            let script = format!(
                "const e = document.activeElement;
                 const seen = e.matches(':focus-visible, input:focus-within')
                   && (getComputedStyle(e).outlineStyle !== 'none' || e.matches('main, [tabindex=\"-1\"]'));
                 return [e.matches({css:?}), seen || e === document.body, e.outerHTML.slice(0, 120)];"
            );
            let now = self.run(&script);
            assert_eq!(now[1], json!(true), "the focus is not seen: {}", now[2]);
            if now[0] == json!(true) {
                return;
            }
        }
        panic!("the keyboard does not reach {css} on {}", self.url());
    }

    /// From now on pages look as they are printed.
    pub fn print_media(&self) {
        self.media("print");
    }

    /// The page as it would be printed, as PDF.
    pub fn printed(&self) -> Vec<u8> {
        use base64::Engine as _;
        let printed = self.ask("POST", "print", &json!({}));
        let printed = printed.as_str().unwrap();
        base64::engine::general_purpose::STANDARD.decode(printed).expect("a PDF")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let path = format!("/session/{}", self.session);
            _ = Request::new("DELETE", &path).send(&self.address);
        }
        // What is started here may be a script, whose child is the browser.
        let children = children(self.chromium.id());
        for child in [&mut self.chromium, &mut self.driver] {
            _ = child.kill();
            _ = child.wait();
        }
        for child in children {
            _ = kill_process(child, Signal::KILL);
        }
    }
}

/// The processes that a process has started, where the system tells.
fn children(parent: u32) -> Vec<Pid> {
    let told = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let told = told.unwrap_or_default();
    told.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
