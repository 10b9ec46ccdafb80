//! The syntax tree: nodes in one list, with their bytes in the source.

use std::ops::Range;

pub(super) use squawk_parser::SyntaxKind;
use squawk_parser::{EntryPoint, LexedStr, StrStep};

use crate::sql::{POSTGRES, Token, TokenKind, solid, unquote};

/// No body of a person's is longer; the parser's time is linear, its patience is not ours to test.
const LONGEST: usize = 1 << 20;
/// The parser goes down a level for each bracket, block and the like. It was tried with 2,000 in a thread's smallest stack.
const DEEPEST: usize = 250;
/// And for each operator before its operand, or behind one where it binds to the right. A table of hundreds of columns makes
/// long chains of `||`; these levels are small.
const MOST_PENDING: usize = 1_000;

/// The node of the whole text.
const ROOT: usize = 0;

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// In a few words.
    pub reason: String,
    /// Where in the text.
    pub range: Range<usize>,
}

/// A variable that a statement's INTO assigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IntoTarget {
    /// The first name, folded.
    pub(super) variable: String,
    /// The name after the dot.
    pub(super) field: Option<String>,
    pub(super) range: Range<usize>,
}

/// A read function body.
#[derive(Debug)]
pub struct Tree {
    /// The source, INTO and its targets blanked out of SQL statements.
    pub(super) text: String,
    pub(super) nodes: Vec<Node>,
    pub(super) into: Vec<IntoTarget>,
}

/// A node, or a token, which has no children.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: SyntaxKind,
    pub(super) range: Range<usize>,
    pub(super) children: Vec<usize>,
}

impl Tree {
    pub(super) fn node(&self, id: usize) -> Option<&Node> {
        self.nodes.get(id)
    }

    pub(super) fn kind(&self, id: usize) -> SyntaxKind {
        self.node(id).map_or(SyntaxKind::ERROR, |node| node.kind)
    }

    pub(super) fn range(&self, id: usize) -> Range<usize> {
        self.node(id).map_or(0..0, |node| node.range.clone())
    }

    pub(super) fn text_of(&self, id: usize) -> &str {
        self.text.get(self.range(id)).unwrap_or_default()
    }

    pub(super) fn children(&self, id: usize) -> &[usize] {
        self.node(id).map_or(&[], |node| node.children.as_slice())
    }

    /// The children of this kind.
    pub(super) fn all(&self, id: usize, kind: SyntaxKind) -> impl Iterator<Item = usize> + '_ {
        self.children(id)
            .iter()
            .copied()
            .filter(move |child| self.kind(*child) == kind)
    }

    /// The first child of this kind.
    pub(super) fn child(&self, id: usize, kind: SyntaxKind) -> Option<usize> {
        self.all(id, kind).next()
    }

    pub(super) fn has(&self, id: usize, kind: SyntaxKind) -> bool {
        self.child(id, kind).is_some()
    }

    /// The node and everything below it, in the order of the text.
    pub(super) fn below(&self, id: usize) -> Vec<usize> {
        let mut found = vec![];
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            found.push(id);
            open.extend(self.children(id).iter().rev());
        }
        found
    }

    /// The names in a path, folded as the engine folds them.
    pub(super) fn names(&self, id: usize) -> Vec<String> {
        self.below(id)
            .into_iter()
            .filter(|id| self.children(*id).is_empty())
            .filter(|id| {
                let text = self.text_of(*id);
                text.starts_with(|c: char| c == '"' || c == '_' || c.is_alphabetic())
            })
            .map(|id| fold(self.text_of(id)))
            .collect()
    }

    /// The outermost block.
    pub(super) fn block(&self) -> Option<usize> {
        self.child(ROOT, SyntaxKind::PLPGSQL_BLOCK)
    }
}

/// A name as PostgreSQL understands it: lower case without quotes.
pub(super) fn fold(text: &str) -> String {
    if text.starts_with('"') {
        unquote(text).into_owned()
    } else {
        text.to_lowercase()
    }
}

/// Read a function's body.
///
/// # Errors
/// Why it could not be read.
pub fn parse(source: &str) -> Result<Tree, Unread> {
    if source.len() > LONGEST {
        return Err(Unread {
            reason: "it is longer than 1 MiB".to_owned(),
            range: 0..source.len().min(1),
        });
    }
    let significant = solid(source, &POSTGRES);
    if let Some(token) = too_deep(source, &significant) {
        return Err(Unread {
            reason: "it is nested too deep".to_owned(),
            range: token.range.clone(),
        });
    }
    let (text, into) = for_parser(source, &significant);
    let lexed = LexedStr::new(&text);
    let output = EntryPoint::Plpgsql.parse(&lexed.to_input());
    let mut builder = TreeBuilder::default();
    lexed.intersperse_trivia(&output, &mut |step| builder.step(&step));
    let TreeBuilder { nodes, error, .. } = builder;
    if let Some((reason, at)) = error {
        let at = source.floor_char_boundary(at.min(source.len()));
        // The parser says where it lost its way; the token there is what to look at.
        let range = significant
            .iter()
            .find(|token| token.range.end > at)
            .map_or(at..at, |token| token.range.clone());
        return Err(Unread { reason, range });
    }
    Ok(Tree { text, nodes, into })
}

/// Where the parser would go down further than the stack may reach: it calls itself for what stands in brackets, blocks,
/// CASE and joins, and for the operand of most operators. Rather too early than too late.
fn too_deep<'t>(source: &str, all: &'t [Token]) -> Option<&'t Token> {
    const BLOCKS: [&str; 4] = ["begin", "case", "if", "loop"];
    // Behind these the parser goes down until the condition, the list or the statement goes on.
    const PENDING: [&str; 6] = ["not", "explain", "prepare", "any", "some", "all"];
    const ON: [&str; 6] = ["and", "or", "then", "when", "else", "set"];
    let mut blocks = 0_usize;
    let mut brackets = 0_usize;
    let mut joins = 0_usize;
    // What is pending in each bracket and block that is open in this statement, and the sum of it.
    let mut pending = vec![0_usize];
    let mut sum = 0_usize;
    let mut before: Option<&Token> = None;
    for token in all {
        let is = |operator: &str| token.is_operator(source, operator);
        let is_any = |words: &[&str]| words.iter().any(|word| token.is_word(source, word));
        let behind = |words: &[&str]| {
            let before = before.filter(|before| before.kind == TokenKind::Word);
            before.is_some_and(|before| words.iter().any(|word| before.is_word(source, word)))
        };
        let behind_dot = before.is_some_and(|before| before.is_operator(source, "."));
        let is_name = behind_dot || behind(&["table", "index", "schema", "end"]);
        if is("(") || is("[") {
            brackets += 1;
            pending.push(0);
        } else if is(")") || is("]") {
            brackets = brackets.saturating_sub(1);
            sum -= pending.pop().unwrap_or_default();
        } else if is(";") {
            (brackets, joins, sum) = (0, 0, 0);
            pending.clear();
        } else if is(",") || is_any(&ON) {
            sum -= pending.last_mut().map_or(0, std::mem::take);
        } else if is_any(&BLOCKS) {
            if !is_name {
                blocks += 1;
                pending.push(0);
            }
        } else if token.is_word(source, "end") {
            blocks = blocks.saturating_sub(1);
            sum -= pending.pop().unwrap_or_default();
        } else if token.is_word(source, "join") {
            // The second table of one may be a join itself.
            joins += 1;
        } else if is_any(&PENDING) && !behind(&["union", "except", "intersect", "select"])
            || token.kind == TokenKind::Operator && ![".", ":", "::"].contains(&token.text(source))
        {
            match pending.last_mut() {
                Some(last) => *last += 1,
                None => pending.push(1),
            }
            sum += 1;
        }
        if blocks + brackets + joins > DEEPEST || sum > MOST_PENDING {
            return Some(token);
        }
        before = Some(token);
    }
    None
}

#[derive(Default)]
struct TreeBuilder {
    nodes: Vec<Node>,
    open: Vec<usize>,
    position: usize,
    error: Option<(String, usize)>,
}

impl TreeBuilder {
    fn step(&mut self, step: &StrStep<'_>) {
        match step {
            StrStep::Enter { kind } => {
                let id = self.add(*kind, self.position..self.position);
                self.open.push(id);
            }
            StrStep::Exit => {
                let range = self.open.pop().and_then(|id| self.nodes.get(id));
                if let Some(range) = range.map(|node| node.range.clone())
                    && !range.is_empty()
                {
                    self.reach(&range);
                }
            }
            StrStep::Token { kind, text } => {
                let range = self.position..self.position + text.len();
                self.position = range.end;
                if matches!(kind, SyntaxKind::WHITESPACE | SyntaxKind::COMMENT) {
                    return;
                }
                self.reach(&range);
                self.add(*kind, range);
            }
            StrStep::Error { msg, pos } => {
                self.error.get_or_insert_with(|| ((*msg).to_owned(), *pos));
            }
        }
    }

    /// A node reaches from its first token to its last: from the beginning of the first part that has any.
    fn reach(&mut self, part: &Range<usize>) {
        let node = self.open.last().and_then(|id| self.nodes.get_mut(*id));
        if let Some(node) = node {
            if node.range.is_empty() {
                node.range.start = part.start;
            }
            node.range.end = part.end;
        }
    }

    fn add(&mut self, kind: SyntaxKind, range: Range<usize>) -> usize {
        let id = self.nodes.len();
        self.nodes.push(Node {
            kind,
            range,
            children: vec![],
        });
        if let Some(parent) = self.open.last().and_then(|id| self.nodes.get_mut(*id)) {
            parent.children.push(id);
        }
        id
    }
}

/// The source with blanks for INTO and its targets, which PL/pgSQL takes out of a statement before it looks at the SQL
/// (`make_execsql_stmt` in pl_gram.y: every INTO but that of INSERT and MERGE); and for DECLARE where declarations have begun,
/// which it passes over (`decl_stmt`).
fn for_parser(source: &str, all: &[Token]) -> (String, Vec<IntoTarget>) {
    let is_name = |token: &Token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName);
    let mut targets = vec![];
    let mut blanks: Vec<Range<usize>> = vec![];
    // The first word of the statement that we are in, roughly: only FETCH and MOVE matter, which keep their INTO.
    let mut first: Option<&Token> = None;
    let mut declaring = false;
    let mut index = 0;
    while let Some(token) = all.get(index) {
        if token.is_word(source, "declare") {
            if declaring && first.is_none() {
                blanks.push(token.range.clone());
            }
            declaring = true;
            first = None;
            index += 1;
            continue;
        }
        declaring &= !token.is_word(source, "begin");
        let boundary = token.is_operator(source, ";")
            || ["then", "else", "loop", "begin"]
                .iter()
                .any(|word| token.is_word(source, word));
        let keeps = first
            .is_some_and(|first| first.is_word(source, "fetch") || first.is_word(source, "move"));
        let previous = index.checked_sub(1).and_then(|before| all.get(before));
        let of_insert = previous.is_some_and(|previous| {
            previous.is_word(source, "insert")
                || previous.is_word(source, "merge")
                || previous.is_operator(source, ".")
        });
        if boundary {
            first = None;
        } else if first.is_none() {
            first = Some(token);
        }
        if !token.is_word(source, "into") || of_insert || keeps {
            index += 1;
            continue;
        }
        let start = token.range.start;
        let mut end = token.range.end;
        index += 1;
        if let Some(strict) = all
            .get(index)
            .filter(|token| token.is_word(source, "strict"))
        {
            end = strict.range.end;
            index += 1;
        }
        while let Some(name) = all.get(index).filter(|token| is_name(token)) {
            let mut target = IntoTarget {
                variable: fold(name.text(source)),
                field: None,
                range: name.range.clone(),
            };
            index += 1;
            while all
                .get(index)
                .is_some_and(|token| token.is_operator(source, "."))
                && let Some(field) = all.get(index + 1).filter(|token| is_name(token))
            {
                target.field.get_or_insert_with(|| fold(field.text(source)));
                target.range.end = field.range.end;
                index += 2;
            }
            if all
                .get(index)
                .is_some_and(|token| token.is_operator(source, "["))
            {
                while let Some(token) = all.get(index) {
                    index += 1;
                    target.range.end = token.range.end;
                    if token.is_operator(source, "]") {
                        break;
                    }
                }
            }
            end = target.range.end;
            targets.push(target);
            if !all
                .get(index)
                .is_some_and(|token| token.is_operator(source, ","))
            {
                break;
            }
            index += 1;
        }
        blanks.push(start..end);
    }
    let mut text = String::with_capacity(source.len());
    let mut at = 0;
    for blank in blanks {
        text.push_str(source.get(at..blank.start).unwrap_or_default());
        text.extend(std::iter::repeat_n(' ', blank.len()));
        at = blank.end;
    }
    text.push_str(source.get(at..).unwrap_or_default());
    (text, targets)
}
