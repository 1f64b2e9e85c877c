//! What the packages hold: every file that the README links to is where the link leads.

use std::fs;
use std::path::Path;

/// The targets of the links of a text that lead to files beside it.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn links_of_the_readme_lead_somewhere_in_each_package() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(top.join("README.md")).unwrap();
    let manifest = fs::read_to_string(top.join("tcpprobed/Cargo.toml")).unwrap();
    let links = links(&readme);
    assert!(links.len() > 8, "{links:?}");
    for link in links {
        assert!(top.join(link).is_file(), "{link}");
        let folder = Path::new(link).parent().unwrap().display().to_string();
        let folder = if folder.is_empty() { folder } else { folder + "/" };
        let deb = format!("[\"../{link}\", \"usr/share/doc/tcpprobed/{folder}\", ");
        assert!(manifest.contains(&deb), "the .deb lacks {link}");
        let rpm = format!("source = \"{link}\", dest = \"/usr/share/doc/tcpprobed/{folder}\"");
        let license = link.starts_with("LICENSE-");
        assert!(license || manifest.contains(&rpm), "the .rpm lacks {link}");
    }
}
