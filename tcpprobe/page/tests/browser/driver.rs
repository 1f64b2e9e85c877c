//! A browser, told what to do by WebDriver (https://www.w3.org/TR/webdriver2/): JSON over HTTP, to chromedriver.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, thread, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

/// One browser at a time: they are not small.
static ALONE: Mutex<()> = Mutex::new(());
/// Tries, a tenth of a second apart, until something must be there.
const PATIENCE: usize = 600;

/// A browser without a window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Where it keeps what it needs as long as it runs.
    _folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// Where a program is.
fn program(names: &[&str]) -> Option<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = |name: &&&str| env::split_paths(&path).any(|folder| folder.join(name).is_file());
    names.iter().find(found).map(|name| (*name).to_owned())
}

impl Browser {
    /// Starts one; `None`, with a printed reason, where there is none and none is required.
    pub fn start() -> Option<Self> {
        let is_required = env::var_os("TCPPROBE_REQUIRE_BROWSER").is_some_and(|value| value == "1");
        let (chromium, driver) =
            (program(&["chromium", "chromium-browser", "google-chrome"]), program(&["chromedriver"]));
        let (Some(chromium), Some(driver)) = (chromium, driver) else {
            assert!(!is_required, "chromium and chromedriver are required: apt install chromium chromium-driver");
            println!("skipped: no chromium and chromedriver here (apt install chromium chromium-driver)");
            return None;
        };
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let mut driver = Command::new(driver);
        driver.arg("--port=0").env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port =
            lines.find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
        let mut browser = Browser {
            driver,
            port: port.expect("chromedriver begins"),
            session: String::new(),
            _folder: folder,
            _alone: alone,
        };
        // Somebody must read what else it says.
        thread::spawn(move || lines.for_each(drop));
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--window-size=1280,900",
        ];
        let options = json!({ "binary": which(&chromium), "args": arguments });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let session = browser.call("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    /// Opens a file, with what is behind `#`, and waits until it is ready.
    pub fn open(&self, file: &Path, hash: &str) {
        // Another hash alone is no other page.
        self.tell("POST", "url", &json!({ "url": "about:blank" }));
        self.tell("POST", "url", &json!({ "url": format!("file://{}{hash}", file.display()) }));
        self.wait("document.documentElement.dataset.ready !== undefined");
        assert_eq!(
            self.run("return document.documentElement.dataset.ready"),
            "1",
            "{}",
            self.run("return document.getElementById('title').textContent")
        );
        self.settle();
    }

    /// What a script returns; a promise is waited for.
    pub fn run(&self, script: &str) -> Value {
        self.tell("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression holds.
    pub fn wait(&self, expression: &str) {
        for _ in 0..PATIENCE {
            if self.run(&format!("return !!({expression})")) == true {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("never: {expression}");
    }

    /// Waits until all is drawn that was asked for.
    pub fn settle(&self) {
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200))))");
    }

    /// Presses and releases keys, one after the other.
    pub fn keys(&self, keys: &[&str]) {
        let presses =
            keys.iter().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })));
        self.act(json!({ "type": "key", "id": "keys", "actions": presses.collect::<Vec<_>>() }));
    }

    /// Moves the pointer, and drags it on to other places.
    pub fn drag(&self, places: &[(i64, i64)]) {
        let go = |(x, y): &(i64, i64)| json!({ "type": "pointerMove", "duration": 20, "x": x, "y": y });
        let mut actions: Vec<Value> = places.iter().map(go).collect();
        if places.len() > 1 {
            actions.insert(1, json!({ "type": "pointerDown", "button": 0 }));
            actions.push(json!({ "type": "pointerUp", "button": 0 }));
        }
        self.act(
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": actions }),
        );
    }

    /// Turns the wheel at a place.
    pub fn wheel(&self, (x, y): (i64, i64), delta: i64) {
        let turn = json!({ "type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": delta, "duration": 0 });
        self.act(json!({ "type": "wheel", "id": "wheel", "actions": [turn] }));
    }

    /// The middle of what a selector finds, in the window.
    pub fn place(&self, selector: &str) -> (i64, i64) {
        let script = format!(
            "const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'nearest' }}); \
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]"
        );
        let found = self.run(&script);
        let of = |at: usize| found[at].as_f64().unwrap() as i64;
        (of(0), of(1))
    }

    /// A picture of the window: PNG in base64.
    pub fn picture(&self) -> String {
        self.tell("GET", "screenshot", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Shows the page as on paper.
    pub fn on_paper(&self) {
        let media = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "media": "print" } });
        self.tell("POST", "goog/cdp/execute", &media);
        self.settle();
    }

    /// Another size of the window.
    pub fn resize(&self, width: u32, height: u32) {
        self.tell("POST", "window/rect", &json!({ "width": width, "height": height }));
        self.settle();
    }

    fn act(&self, actions: Value) {
        self.tell("POST", "actions", &json!({ "actions": [actions] }));
        self.settle();
    }

    fn tell(&self, method: &str, what: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}/{what}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.ask(method, path, body).unwrap();
        assert!(value["error"].is_null(), "{method} {path} {body}: {} {}", value["error"], value["message"]);
        value
    }

    /// What the driver answers.
    fn ask(&self, method: &str, path: &str, body: &Value) -> io::Result<Value> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n",
            self.port
        )?;
        write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        Ok(answer["value"].take())
    }
}

/// The full path of a program.
fn which(name: &str) -> String {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap().display().to_string()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends its browser with its session, also where a test failed.
        if !self.session.is_empty() {
            let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
