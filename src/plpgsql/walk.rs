//! Following the paths of a function, for one trigger and one event.

use std::collections::BTreeSet;
use std::ops::Range;

use super::condition::{Situation, Truth};
use super::sql::{self, Table, Write, column, inner, row_variable};
use super::tree::{SyntaxKind, Tree, fold};

/// What a RETURN gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// `RETURN NULL`, or RETURN with nothing.
    Null,
    /// `RETURN NEW`.
    New,
    /// `RETURN OLD`.
    Old,
    /// Something that is worked out.
    Other,
}

/// A RETURN that can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returns {
    /// What it gives back.
    pub value: Returned,
    /// The statement.
    pub range: Range<usize>,
    /// Whether a way there is known to be open: nothing on it asks how the trigger was called in words that are not
    /// understood.
    pub sure: bool,
    /// Whether every way there writes something, or runs what may write.
    pub writes: bool,
}

/// An assignment to a column of NEW, or to all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The column; `None` for the whole row.
    pub column: Option<String>,
    /// The target.
    pub range: Range<usize>,
    /// The statement.
    pub statement: Range<usize>,
    /// Within a loop.
    pub in_loop: bool,
}

/// What a function does for one trigger and one event.
#[derive(Debug, Default)]
pub struct Walk {
    /// Tables that it writes; with each whether the statement runs whenever the function does.
    pub writes: Vec<(Write, bool)>,
    /// Tables that it reads.
    pub reads: Vec<Table>,
    /// Functions and procedures that it calls.
    pub calls: Vec<Table>,
    /// Tables that it creates for itself.
    pub creates: BTreeSet<String>,
    /// Text that is run as SQL, or another program: what it does is not known.
    pub dynamic: Vec<Range<usize>>,
    /// Every RETURN that can be reached.
    pub returns: Vec<Returns>,
    /// The end of the function can be reached without a RETURN; where, and whether that is sure.
    pub falls_through: Option<(Range<usize>, bool)>,
    /// Assignments to NEW.
    pub assigns: Vec<Assignment>,
    /// Columns of NEW that are read; `None` is the whole row.
    pub reads_new: Vec<(Option<String>, Range<usize>)>,
    /// Columns of OLD that are read.
    pub reads_old: Vec<(Option<String>, Range<usize>)>,
    /// Comparisons of OLD with NEW: of this column of both, or of the whole rows.
    pub compares: Vec<(Option<String>, Range<usize>)>,
    /// It asks how deep in triggers it is.
    pub asks_depth: bool,
    /// What is run perhaps never, or with its failure caught: behind questions about how the trigger was called that are not
    /// understood, and in blocks that handle what is not there.
    pub doubtful: Vec<Range<usize>>,
}

impl Walk {
    /// The same, in no more memory than it takes: there are as many as triggers.
    fn fitted(mut self) -> Self {
        let Self {
            writes,
            reads,
            calls,
            creates: _,
            dynamic,
            returns,
            falls_through: _,
            assigns,
            reads_new,
            reads_old,
            compares,
            asks_depth: _,
            doubtful,
        } = &mut self;
        writes.shrink_to_fit();
        reads.shrink_to_fit();
        calls.shrink_to_fit();
        dynamic.shrink_to_fit();
        returns.shrink_to_fit();
        assigns.shrink_to_fit();
        reads_new.shrink_to_fit();
        reads_old.shrink_to_fit();
        compares.shrink_to_fit();
        doubtful.shrink_to_fit();
        self
    }

    /// Whether a failure of what stands here would be one of the trigger.
    pub fn is_certain(&self, range: &Range<usize>) -> bool {
        let mut doubtful = self.doubtful.iter();
        !doubtful.any(|part| part.contains(&range.start))
    }
}

/// Follow a function.
pub fn walk(tree: &Tree, situation: &Situation<'_>) -> Walk {
    let mut walker = Walker {
        tree,
        situation,
        tainted: tainted(tree),
        walk: Walk::default(),
        loops: 0,
        stops: 0,
    };
    let Some(block) = tree.block() else {
        return walker.walk;
    };
    let path = Path {
        sure: true,
        always: true,
        quiet: true,
        deed: Deed::None,
    };
    let end = walker.block(block, path);
    if let Some(path) = end.falls {
        let range = tree.range(block);
        let last = range.end.saturating_sub("END".len())..range.end;
        let last = tree
            .children(block)
            .iter()
            .rev()
            .find(|id| tree.kind(**id) == SyntaxKind::END_KW)
            .map_or(last, |id| tree.range(*id));
        walker.walk.falls_through = Some((last, path.sure && path.quiet));
    }
    walker.walk.fitted()
}

/// How a statement is reached.
#[derive(Debug, Clone, Copy)]
struct Path {
    /// The way is known to be open.
    sure: bool,
    /// Whenever the function runs.
    always: bool,
    /// The last thing on it was no call that may raise.
    quiet: bool,
    deed: Deed,
}

/// What is done on a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    /// Nothing that writes.
    None,
    /// Something is written, or a function called for its own sake, which may write.
    Some,
}

impl Path {
    fn or(self, other: Option<Self>) -> Self {
        match other {
            None => self,
            Some(other) => Self {
                sure: self.sure || other.sure,
                always: self.always && other.always,
                quiet: self.quiet && other.quiet,
                deed: self.deed.min(other.deed),
            },
        }
    }

    /// The way on, behind a statement that may raise, and may write.
    fn loud(self) -> Self {
        Self {
            quiet: false,
            deed: Deed::Some,
            ..self
        }
    }
}

/// How a list of statements ends.
#[derive(Debug, Default)]
struct End {
    /// How what follows is reached; `None` when it is not.
    falls: Option<Path>,
    /// EXITs that leave a loop or block further out: its label, and the path.
    exits: Vec<(Option<String>, Path)>,
}

impl End {
    fn falls(path: Path) -> Self {
        Self {
            falls: Some(path),
            exits: vec![],
        }
    }

    fn join(&mut self, other: Self) {
        if let Some(path) = other.falls {
            self.falls = Some(path.or(self.falls));
        }
        self.exits.extend(other.exits);
    }
}

struct Walker<'a> {
    tree: &'a Tree,
    situation: &'a Situation<'a>,
    tainted: BTreeSet<String>,
    walk: Walk,
    loops: usize,
    /// How many statements were met that may keep what follows from being run.
    stops: usize,
}

impl Walker<'_> {
    fn block(&mut self, id: usize, path: Path) -> End {
        let tree = self.tree;
        if let Some(section) = tree.child(id, SyntaxKind::PLPGSQL_DECLARE_SECTION) {
            self.expressions(section, path);
        }
        let handlers = tree.child(id, SyntaxKind::PLPGSQL_EXCEPTION_SECTION);
        // What an exception undoes has not happened.
        let inside = Path {
            always: path.always && handlers.is_none(),
            ..path
        };
        let stops = self.stops;
        let mut end = self.body(id, inside);
        if let Some(section) = handlers {
            for handler in tree.all(section, SyntaxKind::PLPGSQL_EXCEPTION_HANDLER) {
                let handled = self.body(
                    handler,
                    Path {
                        always: false,
                        quiet: true,
                        ..path
                    },
                );
                end.join(handled);
            }
        }
        if handlers.is_some_and(|section| self.catches(section)) {
            let bodies = tree.all(id, SyntaxKind::PLPGSQL_BODY);
            self.walk.doubtful.extend(bodies.map(|id| tree.range(id)));
        }
        let end = self.settled(end, path, stops);
        self.leave(id, end, false)
    }

    /// Whether an EXCEPTION section handles tables, columns or functions that are not there.
    fn catches(&self, section: usize) -> bool {
        let tree = self.tree;
        tree.all(section, SyntaxKind::PLPGSQL_EXCEPTION_HANDLER)
            .flat_map(|handler| tree.all(handler, SyntaxKind::PLPGSQL_CONDITION))
            .any(|condition| {
                let condition = fold(tree.text_of(condition));
                // Class 42, by its codes and by its names.
                condition == "others"
                    || condition.contains("'42")
                    || condition.starts_with("undefined_")
                    || condition == "syntax_error_or_access_rule_violation"
            })
    }

    /// EXITs that end here, out of a loop or a labelled block.
    fn leave(&self, id: usize, end: End, is_loop: bool) -> End {
        let label = self
            .tree
            .child(id, SyntaxKind::PLPGSQL_LABEL)
            .and_then(|label| self.tree.child(label, SyntaxKind::PLPGSQL_LABEL_NAME))
            .map(|name| fold(self.tree.text_of(name)));
        let mut left = End {
            falls: end.falls,
            exits: vec![],
        };
        for (target, path) in end.exits {
            let here = match &target {
                None => is_loop,
                Some(target) => label.as_ref() == Some(target),
            };
            if here {
                left.falls = Some(path.or(left.falls));
            } else {
                left.exits.push((target, path));
            }
        }
        left
    }

    /// The statements of the node's body.
    fn body(&mut self, id: usize, path: Path) -> End {
        let tree = self.tree;
        let mut end = End::falls(path);
        for body in tree.all(id, SyntaxKind::PLPGSQL_BODY) {
            for statement in tree.children(body) {
                let Some(path) = end.falls else { break };
                // A token between statements is none.
                if tree.children(*statement).is_empty() {
                    continue;
                }
                let mut after = self.statement(*statement, path);
                // Behind a statement that may have ended the function, nothing always runs.
                after.exits.append(&mut end.exits);
                end = after;
            }
        }
        end
    }

    fn statement(&mut self, id: usize, path: Path) -> End {
        let quiet = Path {
            quiet: true,
            ..path
        };
        match self.tree.kind(id) {
            SyntaxKind::PLPGSQL_BLOCK => self.block(id, path),
            SyntaxKind::PLPGSQL_IF_STMT => self.branch(id, path),
            SyntaxKind::PLPGSQL_CASE_STMT => self.case(id, path),
            SyntaxKind::PLPGSQL_LOOP_STMT
            | SyntaxKind::PLPGSQL_WHILE_STMT
            | SyntaxKind::PLPGSQL_FOR_I_STMT
            | SyntaxKind::PLPGSQL_FOR_QUERY_STMT
            | SyntaxKind::PLPGSQL_FOR_DYN_STMT
            | SyntaxKind::PLPGSQL_FOR_CURSOR_STMT
            | SyntaxKind::PLPGSQL_FOR_EACH_STMT => self.repeat(id, path),
            SyntaxKind::PLPGSQL_RETURN_STMT => {
                self.stops += 1;
                self.returns(id, path);
                End::default()
            }
            SyntaxKind::PLPGSQL_RAISE_STMT => {
                self.expressions(id, path);
                let goes_on = self
                    .tree
                    .child(id, SyntaxKind::PLPGSQL_RAISE_LEVEL)
                    .is_some_and(|level| {
                        !self.tree.text_of(level).eq_ignore_ascii_case("exception")
                    });
                if goes_on {
                    End::falls(quiet)
                } else {
                    self.stops += 1;
                    End::default()
                }
            }
            SyntaxKind::PLPGSQL_EXIT_STMT | SyntaxKind::PLPGSQL_CONTINUE_STMT => {
                self.jump(id, path)
            }
            SyntaxKind::PLPGSQL_ASSIGN_STMT => {
                self.expressions(id, path);
                self.assign(id);
                End::falls(quiet)
            }
            SyntaxKind::PLPGSQL_DYN_EXECUTE_STMT
            | SyntaxKind::PLPGSQL_RETURN_QUERY_EXECUTE_STMT
            | SyntaxKind::PLPGSQL_DO_STMT => {
                self.expressions(id, path);
                self.walk.dynamic.push(self.tree.range(id));
                End::falls(path.loud())
            }
            SyntaxKind::PLPGSQL_CALL_STMT => {
                self.expressions(id, path);
                End::falls(path.loud())
            }
            SyntaxKind::PLPGSQL_PERFORM_STMT => {
                self.expressions(id, path);
                let tree = self.tree;
                let queries = |part: usize| tree.kind(part) == SyntaxKind::FROM_CLAUSE;
                // A query is asked for what it finds, a function alone for what it does.
                let deed = if tree.below(id).into_iter().any(queries) {
                    path.deed
                } else {
                    Deed::Some
                };
                End::falls(Path {
                    deed,
                    ..path.loud()
                })
            }
            SyntaxKind::PLPGSQL_EXEC_SQL_STMT => {
                let writes = self.walk.writes.len();
                self.expressions(id, path);
                let is_select = self.tree.has(id, SyntaxKind::SELECT);
                End::falls(Path {
                    quiet: !is_select,
                    deed: if self.walk.writes.len() > writes {
                        Deed::Some
                    } else {
                        path.deed
                    },
                    ..path
                })
            }
            _ => {
                self.expressions(id, path);
                End::falls(quiet)
            }
        }
    }

    /// IF … ELSIF … ELSE.
    fn branch(&mut self, id: usize, path: Path) -> End {
        let tree = self.tree;
        let arms: Vec<usize> = std::iter::once(id)
            .chain(tree.all(id, SyntaxKind::PLPGSQL_ELSIF_CLAUSE))
            .collect();
        let stops = self.stops;
        let mut end = End::default();
        let mut left = path;
        for arm in arms {
            let Some(condition) = tree.child(arm, SyntaxKind::PLPGSQL_EXPR) else {
                continue;
            };
            self.look(condition, left);
            let truth = self.situation.truth(tree, condition, &self.tainted);
            match truth {
                Truth::False => continue,
                Truth::True => {
                    end.join(self.body(arm, left));
                    return self.settled(end, path, stops);
                }
                Truth::Data | Truth::Unsure => {}
            }
            let sure = left.sure && truth != Truth::Unsure;
            left = Path {
                sure,
                always: false,
                quiet: true,
                ..left
            };
            end.join(self.body(arm, left));
        }
        match tree.child(id, SyntaxKind::PLPGSQL_ELSE_CLAUSE) {
            Some(otherwise) => end.join(self.body(otherwise, left)),
            None => end.join(End::falls(left)),
        }
        self.settled(end, path, stops)
    }

    /// Where nothing kept what follows from being run, it is reached as what came before was.
    fn settled(&self, mut end: End, before: Path, stops: usize) -> End {
        if self.stops == stops
            && let Some(path) = &mut end.falls
        {
            (path.sure, path.always) = (before.sure, before.always);
        }
        end
    }

    fn case(&mut self, id: usize, path: Path) -> End {
        let tree = self.tree;
        let operand = tree.child(id, SyntaxKind::PLPGSQL_EXPR);
        if let Some(operand) = operand {
            self.look(operand, path);
        }
        let value = operand
            .and_then(|operand| single(tree, operand))
            .and_then(|operand| self.situation.constant(tree, operand));
        let unsure = operand.is_some_and(|operand| {
            value.is_none() && self.situation.truth(tree, operand, &self.tainted) == Truth::Unsure
        });
        let stops = self.stops;
        let mut end = End::default();
        let mut left = path;
        for arm in tree
            .all(id, SyntaxKind::PLPGSQL_CASE_WHEN)
            .collect::<Vec<_>>()
        {
            let Some(condition) = tree.child(arm, SyntaxKind::PLPGSQL_EXPR) else {
                continue;
            };
            self.look(condition, left);
            let truth = match (&value, operand) {
                (Some(value), _) => {
                    let constants: Option<Vec<String>> = targets(tree, condition)
                        .into_iter()
                        .map(|target| self.situation.constant(tree, target))
                        .collect();
                    match constants {
                        Some(constants) if constants.contains(value) => Truth::True,
                        Some(_) => Truth::False,
                        None => Truth::Unsure,
                    }
                }
                (None, Some(_)) if unsure => Truth::Unsure,
                (None, Some(_)) => Truth::Data,
                (None, None) => self.situation.truth(tree, condition, &self.tainted),
            };
            match truth {
                Truth::False => continue,
                Truth::True => {
                    end.join(self.body(arm, left));
                    return self.settled(end, path, stops);
                }
                Truth::Data | Truth::Unsure => {}
            }
            left = Path {
                sure: left.sure && truth != Truth::Unsure,
                always: false,
                quiet: true,
                ..left
            };
            end.join(self.body(arm, left));
        }
        // Without ELSE a value that fits no WHEN is an error.
        match tree.child(id, SyntaxKind::PLPGSQL_ELSE_CLAUSE) {
            Some(otherwise) => end.join(self.body(otherwise, left)),
            None => self.stops += 1,
        }
        self.settled(end, path, stops)
    }

    fn repeat(&mut self, id: usize, path: Path) -> End {
        let tree = self.tree;
        if tree.kind(id) == SyntaxKind::PLPGSQL_FOR_DYN_STMT {
            self.walk.dynamic.push(tree.range(id));
        }
        for part in tree.children(id) {
            if tree.kind(*part) != SyntaxKind::PLPGSQL_BODY {
                self.look(*part, path);
            }
        }
        for variable in tree.all(id, SyntaxKind::PLPGSQL_FOR_VARIABLE) {
            self.assigns_variable(variable);
        }
        self.loops += 1;
        let stops = self.stops;
        let body = self.body(
            id,
            Path {
                always: false,
                quiet: true,
                ..path
            },
        );
        self.loops -= 1;
        let may_stop = self.stops > stops;
        let endless = tree.kind(id) == SyntaxKind::PLPGSQL_LOOP_STMT
            || tree
                .child(id, SyntaxKind::PLPGSQL_EXPR)
                .filter(|_| tree.kind(id) == SyntaxKind::PLPGSQL_WHILE_STMT)
                .is_some_and(|condition| {
                    self.situation.truth(tree, condition, &self.tainted) == Truth::True
                });
        let falls = (!endless).then_some(Path {
            always: path.always && !may_stop,
            quiet: true,
            ..path
        });
        let end = End {
            falls,
            exits: body.exits,
        };
        self.leave(id, end, true)
    }

    /// EXIT and CONTINUE.
    fn jump(&mut self, id: usize, path: Path) -> End {
        let tree = self.tree;
        self.stops += 1;
        let condition = tree.child(id, SyntaxKind::PLPGSQL_EXIT_WHEN);
        if let Some(condition) = condition {
            self.look(condition, path);
        }
        let onward = Path {
            always: false,
            quiet: true,
            ..path
        };
        let mut end = End {
            falls: condition.map(|_| onward),
            exits: vec![],
        };
        if tree.kind(id) == SyntaxKind::PLPGSQL_EXIT_STMT {
            let label = tree
                .child(id, SyntaxKind::PLPGSQL_LABEL_NAME_REF)
                .map(|label| fold(tree.text_of(label)));
            end.exits.push((label, onward));
        }
        end
    }

    fn returns(&mut self, id: usize, path: Path) {
        let tree = self.tree;
        let mut value = match tree.child(id, SyntaxKind::PLPGSQL_EXPR) {
            None => Returned::Null,
            Some(expression) => match single(tree, expression) {
                None => Returned::Other,
                Some(mut only) => {
                    while tree.kind(only) == SyntaxKind::PAREN_EXPR
                        && let Some(inside) = inner(tree, only).next()
                    {
                        only = inside;
                    }
                    match fold(tree.text_of(only)).as_str() {
                        "null" => Returned::Null,
                        "new" => Returned::New,
                        "old" => Returned::Old,
                        _ => Returned::Other,
                    }
                }
            },
        };
        // Giving a row back is no use of it.
        if value == Returned::Other {
            self.expressions(id, path);
        }
        // A function may have given NEW another value.
        if value == Returned::New && self.walk.assigns.iter().any(|a| a.column.is_none()) {
            value = Returned::Other;
        }
        self.walk.returns.push(Returns {
            value,
            range: tree.range(id),
            sure: path.sure,
            writes: path.deed == Deed::Some,
        });
    }

    fn assign(&mut self, id: usize) {
        let tree = self.tree;
        let Some(target) = tree.child(id, SyntaxKind::PLPGSQL_ASSIGN_TARGET) else {
            return;
        };
        let Some(variable) = tree.child(target, SyntaxKind::PLPGSQL_VAR_NAME_REF) else {
            return;
        };
        if row_variable(tree, variable) != Some("new") {
            return;
        }
        let column = tree
            .child(target, SyntaxKind::FIELD_ACCESSOR)
            .and_then(|accessor| tree.names(accessor).into_iter().next());
        self.walk.assigns.push(Assignment {
            column,
            range: tree.range(target),
            statement: tree.range(id),
            in_loop: self.loops > 0,
        });
    }

    fn assigns_variable(&mut self, id: usize) {
        let names = self.tree.names(id);
        if names.first().is_some_and(|name| name == "new") {
            self.walk.assigns.push(Assignment {
                column: names.get(1).cloned(),
                range: self.tree.range(id),
                statement: self.tree.range(id),
                in_loop: true,
            });
        }
    }

    /// The expressions and SQL of a statement that has no statements in it, and the variables that its INTO assigns.
    fn expressions(&mut self, id: usize, path: Path) {
        self.look(id, path);
        let range = self.tree.range(id);
        for target in &self.tree.into {
            if target.variable == "new" && range.contains(&target.range.start) {
                self.walk.assigns.push(Assignment {
                    column: target.field.clone(),
                    range: target.range.clone(),
                    statement: range.clone(),
                    in_loop: self.loops > 0,
                });
            }
        }
    }

    /// What is written, read and called below a node.
    fn look(&mut self, id: usize, path: Path) {
        if !path.sure {
            self.walk.doubtful.push(self.tree.range(id));
        }
        let found = sql::look(self.tree, id);
        self.walk
            .writes
            .extend(found.writes.into_iter().map(|write| (write, path.always)));
        self.walk.reads.extend(found.reads);
        self.walk.asks_depth |= found
            .calls
            .iter()
            .any(|call| call.name.name == "pg_trigger_depth");
        self.walk.calls.extend(found.calls);
        self.walk.creates.extend(found.creates);
        self.rows(id);
    }

    /// Where OLD and NEW are read.
    fn rows(&mut self, id: usize) {
        let tree = self.tree;
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            match tree.kind(id) {
                // `NEW.x :=` is no reading.
                SyntaxKind::PLPGSQL_ASSIGN_TARGET => {}
                SyntaxKind::FIELD_EXPR => {
                    let parts: Vec<usize> = inner(tree, id).collect();
                    let row = parts.first().and_then(|row| match tree.kind(*row) {
                        SyntaxKind::NAME_REF => row_variable(tree, *row),
                        // `(NEW).x`
                        SyntaxKind::PAREN_EXPR => inner(tree, *row)
                            .next()
                            .and_then(|row| row_variable(tree, row)),
                        _ => None,
                    });
                    match row {
                        Some(row) => {
                            let column = column(tree, id)
                                .map(|(_, column)| column)
                                .filter(|_| parts.len() == 2);
                            self.read_row(row, column, tree.range(id));
                        }
                        None => open.extend(parts),
                    }
                }
                SyntaxKind::NAME_REF => {
                    if let Some(row) = row_variable(tree, id) {
                        self.read_row(row, None, tree.range(id));
                    }
                }
                SyntaxKind::BIN_EXPR => {
                    self.compared(id);
                    open.extend(tree.children(id));
                }
                _ => open.extend(tree.children(id)),
            }
        }
    }

    /// Whether it is OLD compared with NEW.
    fn compared(&mut self, id: usize) {
        const COMPARING: [SyntaxKind; 5] = [
            SyntaxKind::EQ,
            SyntaxKind::NEQ,
            SyntaxKind::NEQB,
            SyntaxKind::IS_DISTINCT_FROM,
            SyntaxKind::IS_NOT_DISTINCT_FROM,
        ];
        let tree = self.tree;
        if !COMPARING.iter().any(|kind| tree.has(id, *kind)) {
            return;
        }
        let sides: Vec<usize> = inner(tree, id)
            .filter(|side| !COMPARING.contains(&tree.kind(*side)))
            .collect();
        let [left, right] = sides.as_slice() else {
            return;
        };
        if let (Some((left, one)), Some((right, other))) =
            (row_or_column(tree, *left), row_or_column(tree, *right))
            && left != right
            && one == other
        {
            self.walk.compares.push((one, tree.range(id)));
        }
    }

    fn read_row(&mut self, row: &str, column: Option<String>, range: Range<usize>) {
        let list = if row == "new" {
            &mut self.walk.reads_new
        } else {
            &mut self.walk.reads_old
        };
        list.push((column, range));
    }
}

/// The one expression of a PLPGSQL_EXPR.
fn single(tree: &Tree, id: usize) -> Option<usize> {
    match targets(tree, id).as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// The expressions of a PLPGSQL_EXPR.
fn targets(tree: &Tree, id: usize) -> Vec<usize> {
    tree.all(id, SyntaxKind::TARGET_LIST)
        .flat_map(|list| tree.all(list, SyntaxKind::TARGET).collect::<Vec<_>>())
        .filter_map(|target| inner(tree, target).next())
        .collect()
}

/// Variables that are given something made of a TG_ variable, or of such a variable.
fn tainted(tree: &Tree) -> BTreeSet<String> {
    let mut tainted = BTreeSet::new();
    loop {
        let before = tainted.len();
        for id in 0..tree.nodes.len() {
            let target = match tree.kind(id) {
                SyntaxKind::PLPGSQL_ASSIGN_STMT => tree
                    .child(id, SyntaxKind::PLPGSQL_ASSIGN_TARGET)
                    .and_then(|target| tree.child(target, SyntaxKind::PLPGSQL_VAR_NAME_REF)),
                SyntaxKind::PLPGSQL_VAR_DECL | SyntaxKind::PLPGSQL_ALIAS_DECL => {
                    tree.child(id, SyntaxKind::PLPGSQL_VAR_NAME)
                }
                _ => None,
            };
            let Some(target) = target else { continue };
            let name = fold(tree.text_of(target));
            let made_of = tree.below(id).into_iter().any(|part| {
                tree.children(part).is_empty() && {
                    let word = fold(tree.text_of(part));
                    word.starts_with("tg_") || (word != name && tainted.contains(&word))
                }
            });
            if made_of {
                tainted.insert(name);
            }
        }
        for target in &tree.into {
            // What a query gives may be made of anything: rare enough to be taken for unsure.
            let statement = tree.text.get(..target.range.start).unwrap_or_default();
            let statement = statement.rsplit(';').next().unwrap_or_default();
            if statement.to_lowercase().contains("tg_") {
                tainted.insert(target.variable.clone());
            }
        }
        if tainted.len() == before {
            return tainted;
        }
    }
}

/// `OLD`, `OLD.*`, `ROW(OLD.*)`, `OLD.c`: which row, and the column of it.
fn row_or_column(tree: &Tree, mut id: usize) -> Option<(&'static str, Option<String>)> {
    loop {
        let parts: Vec<usize> = inner(tree, id).collect();
        match (tree.kind(id), parts.as_slice()) {
            (SyntaxKind::PAREN_EXPR | SyntaxKind::TUPLE_EXPR, [only]) => id = *only,
            (SyntaxKind::NAME_REF, _) => return Some((row_variable(tree, id)?, None)),
            (SyntaxKind::FIELD_EXPR, [row]) if tree.has(id, SyntaxKind::STAR) => id = *row,
            (SyntaxKind::FIELD_EXPR, [row, _]) => {
                let row = row_variable(tree, *row)?;
                let (_, column) = column(tree, id)?;
                return Some((row, Some(column)));
            }
            _ => return None,
        }
    }
}
