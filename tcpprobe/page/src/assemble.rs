//! The file: a shell, what the browser runs, and data that it does not run.
//!
//! The modules of `web/` are one module in the file: under a policy that forbids every address they cannot import each other. So
//! lines that import are left out, `export` is taken away, and the rest is put together in the order of [`MODULES`]. What two of
//! them call by the same name would be an error, which the tests find.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

const SHELL: &str = include_str!("web/page.html");
const STYLE: &str = include_str!("web/page.css");

/// Each needs those before it.
const MODULES: [(&str, &str); 10] = [
    ("data", include_str!("web/data.js")),
    ("tree", include_str!("web/tree.js")),
    ("units", include_str!("web/units.js")),
    ("state", include_str!("web/state.js")),
    ("panels", include_str!("web/panels.js")),
    ("canvas", include_str!("web/canvas.js")),
    ("words", include_str!("web/words.js")),
    ("list", include_str!("web/list.js")),
    ("input", include_str!("web/input.js")),
    ("main", include_str!("web/main.js")),
];

/// The file of what is said of all, the list of connections, and the chunks of their columns, both as text of base64.
pub fn html(title: &str, about: &Value, list: &str, chunks: &[String]) -> String {
    let script = script();
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(STYLE),
    );
    let mut data = String::with_capacity(chunks.iter().map(String::len).sum::<usize>() + list.len() + (1 << 16));
    inert(&mut data, "application/json", "about", &json_text(about));
    inert(&mut data, "application/octet-stream", "connections", list);
    for (at, chunk) in chunks.iter().enumerate() {
        inert(&mut data, "application/octet-stream", &format!("chunk{at}"), chunk);
    }
    // In one go: what is put in has no places of its own to fill.
    let mut html = String::with_capacity(data.len() + SHELL.len() + STYLE.len() + script.len());
    for part in SHELL.split_inclusive("}}") {
        let (text, place) = part.split_once("{{").unwrap_or((part, ""));
        html.push_str(text);
        match place.trim_end_matches("}}") {
            "policy" => html.push_str(&policy),
            "title" => html.push_str(&escaped(title)),
            "style" => html.push_str(STYLE),
            "data" => html.push_str(&data),
            "script" => html.push_str(&script),
            _ => {}
        }
    }
    html
}

/// All modules as one.
fn script() -> String {
    let mut script = String::new();
    for (name, text) in MODULES {
        script.push_str(&format!("// {name}\n"));
        for line in text.lines().filter(|line| !line.starts_with("import ")) {
            script.push_str(line.strip_prefix("export ").unwrap_or(line));
            script.push('\n');
        }
    }
    script
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn inert(out: &mut String, kind: &str, id: &str, text: &str) {
    for part in ["<script type=\"", kind, "\" id=\"", id, "\">", text, "</script>\n"] {
        out.push_str(part);
    }
}

/// JSON that ends no element and begins no comment.
fn json_text(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The names that a module gives to what all see.
    fn names(text: &str) -> impl Iterator<Item = &str> {
        let kinds = ["async function ", "function ", "class ", "const ", "let "];
        text.lines().filter_map(move |line| {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
            rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').next()
        })
    }

    #[test]
    fn no_two_modules_use_a_name() {
        let mut known = HashSet::new();
        for (module, text) in MODULES {
            for name in names(text).filter(|name| !name.is_empty()) {
                assert!(known.insert(name), "{name} of {module}.js is there already");
            }
        }
        assert!(known.len() > 40);
    }

    /// Each imports what it uses only from modules before it, in one line, by relative paths.
    #[test]
    fn modules_import_those_before_them() {
        for (at, (module, text)) in MODULES.iter().enumerate() {
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let from = line.split("from \"./").nth(1).and_then(|rest| rest.strip_suffix(".js\";"));
                let place = from.and_then(|from| MODULES.iter().position(|(name, _)| *name == from));
                assert!(place.is_some_and(|place| place < at), "{module}.js: {line}");
            }
            assert!(!text.contains("import(") && !text.contains("innerHTML") && !text.contains("fetch("), "{module}");
        }
    }

    #[test]
    fn strangers_end_no_element() {
        let hostile = "</script><img src=x onerror=alert(1)>\" & <!-- {{data}}";
        let html = html(hostile, &serde_json::json!({ "title": hostile }), "", &[]);
        assert!(!html.contains("<img") && !html.contains("<!-- {{"), "{html}");
        assert_eq!(html.matches("</script>").count(), 3);
        assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;") && html.contains("\\u003cimg"));
    }

    #[test]
    fn nothing_is_asked_of_a_network() {
        let html = html("web", &Value::Null, "", &[]);
        assert!(html.contains("default-src 'none'") && !html.contains("unsafe"), "{html}");
        let addresses = ["http:", "https:", "//www", "url(", "@import", " src=", "WebSocket", "XMLHttpRequest"];
        for address in addresses {
            assert!(!html.contains(address), "{address}");
        }
    }
}
