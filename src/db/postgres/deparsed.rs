//! Taking apart what the server hands out as text: the settings of a function, and the condition of a trigger.

use crate::model::Setting;
use crate::sql::{self, Syntax, TokenKind};

/// One entry of `pg_proc.proconfig`: `name=value`.
pub(super) fn setting(entry: &str) -> Setting {
    /// Parameters that are kept as a list of quoted names (`GUC_LIST_QUOTE`; pg_dump's list is the same).
    const LISTS: [&str; 6] = [
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    ];
    let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
    let is_list = LISTS.iter().any(|list| list.eq_ignore_ascii_case(name));
    Setting {
        name: name.to_owned(),
        values: if is_list {
            names(value)
        } else {
            vec![value.to_owned()]
        },
    }
}

/// The elements of a list of names: separated by commas, in double quotes where they have to be.
fn names(list: &str) -> Vec<String> {
    let mut found = vec![];
    let mut name = String::new();
    let mut quoted = false;
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(std::mem::take(&mut name)),
            character if !quoted && character.is_ascii_whitespace() => {}
            character => name.push(character),
        }
    }
    if !list.is_empty() {
        found.push(name);
    }
    found
}

/// The expression between `WHEN (` and its `)` in what `pg_get_triggerdef` prints, without the second pair of
/// parentheses that PostgreSQL puts around most.
pub(super) fn condition_of(definition: &str) -> Option<String> {
    let mut depth = 0_usize;
    let mut after_when = false;
    let mut start = None;
    for token in sql::tokens(definition, SYNTAX).filter(|token| !token.is_blank()) {
        let opens = token.is_operator(definition, "(");
        if opens && depth == 0 && after_when {
            start = Some(token.range.end);
        }
        after_when = depth == 0 && token.is_word(definition, "when");
        if opens {
            depth += 1;
        } else if token.is_operator(definition, ")") {
            depth = depth.checked_sub(1)?;
            if let (0, Some(start)) = (depth, start) {
                let inner = definition.get(start..token.range.start)?;
                return Some(without_parentheses(inner).to_owned());
            }
        }
    }
    None
}

/// Take one pair of parentheses off, if the first one closes at the very end.
fn without_parentheses(text: &str) -> &str {
    let Some(inner) = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
    else {
        return text;
    };
    let mut depth = 0_usize;
    for token in sql::tokens(inner, SYNTAX) {
        if token.is_operator(inner, "(") {
            depth += 1;
        } else if token.is_operator(inner, ")") {
            match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return text,
            }
        } else if token.kind == TokenKind::Unterminated {
            return text;
        }
    }
    inner
}

/// How the server's own output is to be cut.
const SYNTAX: &Syntax = &sql::POSTGRES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_are_unquoted() {
        let list = |entry: &str| setting(entry).values;
        assert_eq!(list("search_path=app, pg_temp"), ["app", "pg_temp"]);
        assert_eq!(
            list("search_path=\"$user\", \"odd, \"\"name\"\"\",\"\""),
            ["$user", "odd, \"name\"", ""]
        );
        assert_eq!(list("search_path=\"\""), [""]);
        assert_eq!(list("DateStyle=ISO, DMY"), ["ISO, DMY"]);
        assert_eq!(list("application_name=a=\"b\""), ["a=\"b\""]);
    }

    #[test]
    fn conditions_are_cut_out() {
        let cut = |text: &str| condition_of(text).expect("there is a condition");
        assert_eq!(
            cut(
                "CREATE TRIGGER \"when (x)\" BEFORE UPDATE OF \"when\" ON a.\"WHEN (\" FOR EACH ROW WHEN ((new.a > 1)) EXECUTE FUNCTION f('WHEN (')"
            ),
            "new.a > 1"
        );
        assert_eq!(
            cut(
                "CREATE TRIGGER t WHEN (((new.a) > (1)) AND (new.b = ')'::text)) EXECUTE FUNCTION f()"
            ),
            "((new.a) > (1)) AND (new.b = ')'::text)"
        );
        assert_eq!(
            cut("CREATE TRIGGER t WHEN ((((a) = 1) OR ((b) = 2))) EXECUTE FUNCTION f()"),
            "((a) = 1) OR ((b) = 2)"
        );
        assert_eq!(
            cut("CREATE TRIGGER t WHEN (true) EXECUTE FUNCTION f()"),
            "true"
        );
        assert_eq!(
            condition_of("CREATE TRIGGER t EXECUTE FUNCTION f('WHEN (1)')"),
            None
        );
    }
}
