//! Names: how long they may be, and what a generated function is called.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// NAMEDATALEN - 1. Longer names are cut by the server with no more than a notice, so that two of them can meet.
pub(super) const LONGEST: usize = 63;

/// Hex digits of the digest in a name that was cut.
const DIGEST: usize = 8;

/// The name of the function that is made for a trigger's body: `<table>_<trigger>`, or just `<trigger>` when that
/// begins with the table's name already; one that is too long is cut and told apart by a digest of the whole.
pub(super) fn generated_function(table: &str, trigger: &str) -> String {
    let full = if trigger.starts_with(table) {
        trigger.to_owned()
    } else {
        format!("{table}_{trigger}")
    };
    cut(full)
}

/// The name of the function that one trigger has on all its tables: its name without what differs from table to table,
/// and `_trigger`; `None` where nothing is left. It does not depend on the text, so that a new text replaces it in place.
pub(super) fn shared_function(template: &str) -> Option<String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some(start) = ["{{", "{%", "{#"]
        .iter()
        .filter_map(|tag| rest.find(tag))
        .min()
    {
        name.push_str(rest.get(..start)?);
        let tag = rest.get(start..start + 2)?;
        let close = match tag {
            "{{" => "}}",
            "{%" => "%}",
            _ => "#}",
        };
        let end = rest.get(start..)?.find(close)? + start + close.len();
        rest = rest.get(end..)?;
    }
    name.push_str(rest);
    let name = name.trim_matches(|c: char| c == '_' || c.is_whitespace());
    (!name.is_empty()).then(|| cut(format!("{name}_trigger")))
}

/// A name that is too long, cut and told apart by a digest of the whole.
fn cut(full: String) -> String {
    if full.len() <= LONGEST {
        return full;
    }
    let kept = full.floor_char_boundary(LONGEST - DIGEST - 1);
    let mut name = full.get(..kept).unwrap_or_default().to_owned();
    name.push('_');
    for byte in Sha256::digest(full.as_bytes()).iter().take(DIGEST / 2) {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_function_is_named_after_what_is_the_same_for_all() {
        for (template, name) in [
            ("{{ table }}_updated_at", Some("updated_at_trigger")),
            ("{{table}}_audit_{{ vars.x }}", Some("audit_trigger")),
            ("audit_{{ schema }}_{{ table }}", Some("audit_trigger")),
            ("a_{{ table }}_b", Some("a__b_trigger")),
            ("{% if true %}x{% endif %}{# why #}", Some("x_trigger")),
            ("touch", Some("touch_trigger")),
            ("{{ table }}", None),
            ("_{{ table }}_ ", None),
            // What no template closes is an error of its own, elsewhere.
            ("{{ table", None),
        ] {
            assert_eq!(shared_function(template).as_deref(), name, "{template}");
        }
        let long = shared_function(&format!("{{{{ table }}}}_{}", "é".repeat(60))).unwrap();
        assert!(long.len() <= LONGEST, "{long}");
        assert_ne!(
            Some(long),
            shared_function(&format!("{{{{ table }}}}_{}", "é".repeat(61)))
        );
    }
}
