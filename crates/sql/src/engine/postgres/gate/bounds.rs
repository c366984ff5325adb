//! How large the values of a statement may grow, where that can be told from its text.
//!
//! PostgreSQL bounds a value at one gigabyte and folds `repeat('x', 1000000000)` while it plans,
//! before any limit on rows counts. What a statement builds from constants is estimated here,
//! through subqueries, and refused above [`MOST`]; what comes from tables is bounded by the time
//! a statement has.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};

use contract::ToolError;
use contract::error::Kind;

use super::tree::{Node, Tree};
use crate::engine::Param;

/// The most bytes of one value that a statement may build.
const MOST: u64 = 1 << 20;
/// The most bytes that an aggregate may gather from rows that the statement itself makes.
const MOST_GATHERED: u64 = 64 << 20;
/// What a column's value is taken for.
const TYPICAL: u64 = 64;
/// How often a WITH RECURSIVE is taken to run, and the most levels of subqueries looked through.
const LEVELS: usize = 40;

/// An argument that must be a small number while the statement runs, since its text does not say
/// how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Guard {
    /// Where the call begins.
    pub(super) place: usize,
    /// Which argument, from 0.
    pub(super) argument: usize,
}

/// The most that a guarded argument can be: what a `smallint` holds.
const GUARDED: u64 = 32_767;

/// Refuses what would make values of unreasonable size; says what is to be guarded.
pub(super) fn check(query: &Tree, params: &[Param]) -> Result<BTreeSet<Guard>, ToolError> {
    let mut estimate = Estimate {
        params,
        columns: HashMap::new(),
        next: RefCell::new(HashMap::new()),
        seen: RefCell::new(HashMap::new()),
        guards: RefCell::new(BTreeSet::new()),
        grows: Cell::new(false),
        selects: Cell::new(0),
        is_recursive: Cell::new(false),
        rows: Cell::new(1),
        gathered: Cell::new(0),
    };
    let mut rounds = 1;
    loop {
        estimate.selects.set(0);
        estimate.rows.set(1);
        estimate.gathered.set(0);
        estimate.seen.borrow_mut().clear();
        estimate.size(query)?;
        if estimate.rows.get().saturating_mul(estimate.gathered.get()) > MOST_GATHERED {
            return refuse(
                "an aggregate gathers more rows of generate_series than fit into memory; make \
                 fewer rows, or aggregate by group",
            );
        }
        let next = estimate.next.take();
        let levels = if estimate.is_recursive.get() { LEVELS } else { estimate.selects.get() };
        if !estimate.grows.get() || rounds >= levels.min(LEVELS) || next == estimate.columns {
            return Ok(estimate.guards.take());
        }
        estimate.columns = next;
        rounds += 1;
    }
}

/// A constant text.
pub(super) fn text(tree: &Tree) -> Option<&str> {
    let node = tree.node()?;
    match node.kind {
        "AConst" => node.get("val").as_kind("String").map(|value| value.text("sval")),
        "TypeCast" => text(node.get("arg")),
        _ => None,
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, ToolError> {
    Err(ToolError::new(Kind::Denied, message))
}

/// One pass over the statement.
struct Estimate<'a> {
    params: &'a [Param],
    /// The size of columns by their names, as the pass before found them.
    columns: HashMap<String, u64>,
    next: RefCell<HashMap<String, u64>>,
    /// The sizes of this pass by the node's address, so that none is looked at twice.
    seen: RefCell<HashMap<*const Node, u64>>,
    guards: RefCell<BTreeSet<Guard>>,
    /// Whether anything makes values longer at all.
    grows: Cell<bool>,
    selects: Cell<usize>,
    is_recursive: Cell<bool>,
    /// Rows that all `generate_series` make together, as far as they are constant.
    rows: Cell<u64>,
    /// What aggregates keep of each row.
    gathered: Cell<u64>,
}

impl Estimate<'_> {
    /// The most bytes that a value may have; a list's are those of all its items.
    fn size(&self, tree: &Tree) -> Result<u64, ToolError> {
        match tree {
            Tree::List(items) => self.sum(items),
            Tree::Node(node) => self.node(node),
            Tree::Nothing | Tree::Bool | Tree::Int(_) | Tree::Text(_) => Ok(0),
        }
    }

    fn sum(&self, items: &[Tree]) -> Result<u64, ToolError> {
        items.iter().try_fold(0_u64, |sum, item| Ok(sum.saturating_add(self.size(item)?)))
    }

    fn children(&self, node: &Node) -> Result<u64, ToolError> {
        node.fields
            .iter()
            .try_fold(0_u64, |sum, (_, tree)| Ok(sum.saturating_add(self.size(tree)?)))
    }

    fn node(&self, node: &Node) -> Result<u64, ToolError> {
        let address = std::ptr::from_ref(node);
        if let Some(size) = self.seen.borrow().get(&address) {
            return Ok(*size);
        }
        let size = self.first_look(node)?;
        self.seen.borrow_mut().insert(address, size);
        Ok(size)
    }

    fn first_look(&self, node: &Node) -> Result<u64, ToolError> {
        match node.kind {
            "AConst" => Ok(constant(node)),
            "ParamRef" => Ok(self.param(node).map_or(TYPICAL, length)),
            "ColumnRef" => Ok(self.column(node)),
            "TypeCast" => self.cast(node),
            "AExpr" => self.expression(node),
            "FuncCall" => self.call(node),
            "SubLink" => self.sublink(node),
            "SelectStmt" => self.select(node),
            "CommonTableExpr" => {
                self.rename(node.get("aliascolnames"), node.get("ctequery"))?;
                self.children(node)
            }
            "RangeSubselect" => {
                let names = node.get("alias").node().map_or(&Tree::Nothing, |a| a.get("colnames"));
                self.rename(names, node.get("subquery"))?;
                self.children(node)
            }
            "WithClause" => {
                self.is_recursive.set(self.is_recursive.get() || node.is("recursive"));
                self.children(node)
            }
            _ => self.children(node),
        }
    }

    fn param(&self, node: &Node) -> Option<&Param> {
        self.params.get(node.place("number").checked_sub(1)?)
    }

    fn column(&self, node: &Node) -> u64 {
        let fields = node.get("fields").names();
        fields.last().and_then(|name| self.columns.get(*name)).copied().unwrap_or(TYPICAL)
    }

    /// `char(n)` and `bit(n)` are as long as they say.
    fn cast(&self, node: &Node) -> Result<u64, ToolError> {
        let inner = self.size(node.get("arg"))?;
        let Some(name) = node.get("type_name").node() else { return Ok(inner) };
        let pads = matches!(name.get("names").names().last(), Some(&("bpchar" | "bit")));
        let width = name.get("typmods").items().first().and_then(|n| self.number(n));
        match width {
            Some(width) if pads => bounded("a cast", inner.max(positive(width))),
            _ => Ok(inner),
        }
    }

    fn expression(&self, node: &Node) -> Result<u64, ToolError> {
        let size = self.children(node)?;
        if node.get("name").names().last() == Some(&"||") {
            self.grows.set(true);
            return bounded("||", size);
        }
        Ok(size)
    }

    fn sublink(&self, node: &Node) -> Result<u64, ToolError> {
        let size = self.children(node)?;
        // ARRAY(SELECT …).
        if node.int("sub_link_type") == 7 {
            self.gather(size);
        }
        Ok(size.min(MOST))
    }

    fn gather(&self, size: u64) {
        self.gathered.set(self.gathered.get().saturating_add(size.max(16)));
    }

    fn select(&self, node: &Node) -> Result<u64, ToolError> {
        self.selects.set(self.selects.get() + 1);
        let mut size = 0;
        for (field, tree) in &node.fields {
            let part = self.size(tree)?;
            if matches!(*field, "target_list" | "values_lists" | "larg" | "rarg") {
                size = part.max(size);
            }
        }
        for target in node.get("target_list").items() {
            let Some(target) = target.node() else { continue };
            let value = target.get("val");
            let name = match (target.text("name"), value.node().map(|value| value.kind)) {
                ("", Some("FuncCall")) => {
                    let name = value.node().map(|call| call.get("funcname").names());
                    name.and_then(|mut names| names.pop()).unwrap_or_default()
                }
                ("", Some("ColumnRef")) => continue,
                ("", _) => "?column?",
                (name, _) => name,
            };
            self.name(name, self.size(value)?);
        }
        Ok(size)
    }

    fn name(&self, name: &str, size: u64) {
        let mut next = self.next.borrow_mut();
        let known = next.entry(name.to_owned()).or_insert(TYPICAL);
        *known = (*known).max(size);
    }

    /// The names that a subquery's columns are given from outside.
    fn rename(&self, names: &Tree, query: &Tree) -> Result<(), ToolError> {
        let names = names.names();
        let Some(select) = query.node().filter(|_| !names.is_empty()) else { return Ok(()) };
        for side in ["larg", "rarg"] {
            if !select.get(side).is_nothing() {
                self.rename_side(&names, select.get(side))?;
            }
        }
        self.rename_side(&names, query)
    }

    fn rename_side(&self, names: &[&str], query: &Tree) -> Result<(), ToolError> {
        let Some(select) = query.node() else { return Ok(()) };
        let rows = select.get("values_lists").items().iter().map(row);
        for targets in std::iter::once(select.get("target_list").items()).chain(rows) {
            for (name, target) in names.iter().zip(targets) {
                let value = target.as_kind("ResTarget").map_or(target, |target| target.get("val"));
                self.name(name, self.size(value)?);
            }
        }
        Ok(())
    }

    fn call(&self, node: &Node) -> Result<u64, ToolError> {
        let names = node.get("funcname").names();
        let name = names.last().copied().unwrap_or_default();
        let arguments = node.get("args").items();
        let all = self.children(node)?;
        let size = |at: usize| arguments.get(at).map_or(Ok(0), |argument| self.size(argument));
        let grown = match name {
            "repeat" => size(0)?.saturating_mul(self.times(node, size(0)?)?),
            "lpad" | "rpad" => self.times(node, 4)?.saturating_mul(4),
            "array_fill" => self.fill(arguments.get(1))?.saturating_mul(size(0)?.max(8)),
            "replace" | "regexp_replace" => replaced(size(0)?, size(2)?),
            "format" => self.format(arguments)?.saturating_add(all),
            "concat" | "concat_ws" | "array_cat" | "array_append" | "xmlconcat" | "overlay"
            | "textcat" | "byteacat" => all,
            "encode" | "quote_literal" | "quote_ident" | "convert_to" => all.saturating_mul(4),
            "generate_series" => {
                self.series(arguments);
                return Ok(TYPICAL);
            }
            "array_agg" | "string_agg" | "json_agg" | "jsonb_agg" | "json_object_agg"
            | "jsonb_object_agg" | "xmlagg" => {
                self.gather(all);
                return Ok(all.clamp(TYPICAL, MOST));
            }
            _ => return Ok(all),
        };
        self.grows.set(true);
        bounded(name, grown)
    }

    /// How often something of so many bytes is repeated: a constant, or guarded at run time.
    fn times(&self, call: &Node, size: u64) -> Result<u64, ToolError> {
        let argument = call.get("args").items().get(1);
        if let Some(number) = argument.and_then(|argument| self.number(argument)) {
            return Ok(positive(number));
        }
        if size.saturating_mul(GUARDED) > MOST {
            return refuse(
                "a long text is repeated as often as its rows say; write least(…, 1000) around \
                 the number",
            );
        }
        self.guards.borrow_mut().insert(Guard { place: call.place("location"), argument: 1 });
        Ok(GUARDED)
    }

    fn fill(&self, dimensions: Option<&Tree>) -> Result<u64, ToolError> {
        let array = dimensions.and_then(|tree| tree.as_kind("AArrayExpr"));
        let elements = array.map_or(&[][..], |array| array.get("elements").items());
        if elements.is_empty() {
            return refuse("array_fill: write the lengths as ARRAY[…] of constants");
        }
        elements.iter().try_fold(1_u64, |product, element| {
            let Some(number) = self.number(element) else {
                return refuse("array_fill: the lengths must be constants");
            };
            Ok(product.saturating_mul(positive(number)))
        })
    }

    /// What the widths in a format add.
    fn format(&self, arguments: &[Tree]) -> Result<u64, ToolError> {
        let of_param = |tree: &Tree| match tree.as_kind("ParamRef").and_then(|n| self.param(n)) {
            Some(Param::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let pattern = arguments.first();
        let Some(pattern) =
            pattern.and_then(|p| text(p).map(str::to_owned).or_else(|| of_param(p)))
        else {
            return refuse("format: its pattern must be a constant text; concat() takes columns");
        };
        let mut width = 0_u64;
        let mut digits = 0_u64;
        let mut inside = false;
        for letter in pattern.chars() {
            match letter {
                '%' => (inside, digits) = (!inside, 0),
                '*' if inside => {
                    return refuse("format: widths are written as numbers here, not as *");
                }
                '0'..='9' if inside => {
                    let digit = u64::from(letter.to_digit(10).unwrap_or_default());
                    digits = digits.saturating_mul(10).saturating_add(digit);
                }
                '$' if inside => digits = 0,
                'A'..='Z' | 'a'..='z' if inside => {
                    width = width.saturating_add(digits);
                    inside = false;
                }
                _ => {}
            }
        }
        Ok(width)
    }

    fn series(&self, arguments: &[Tree]) {
        let at = |index: usize| arguments.get(index).and_then(|tree| self.number(tree));
        if let (Some(first), Some(last)) = (at(0), at(1)) {
            let step = at(2).unwrap_or(1).unsigned_abs().max(1);
            let rows = (first.abs_diff(last) / step).saturating_add(1);
            self.rows.set(self.rows.get().saturating_mul(rows));
        }
    }

    /// The value of a constant whole number, or what bounds it from above.
    fn number(&self, tree: &Tree) -> Option<i64> {
        let node = tree.node()?;
        match node.kind {
            "AConst" => match node.get("val").node() {
                Some(value) if value.kind == "Integer" => Some(value.int("ival")),
                Some(value) if value.kind == "Float" => whole(value.text("fval")),
                Some(value) if value.kind == "String" => whole(value.text("sval")),
                _ => None,
            },
            "ParamRef" => match self.param(node)? {
                Param::Integer(number) => Some(*number),
                Param::Number(digits) | Param::Text(digits) => whole(digits),
                Param::Null | Param::Bool(_) | Param::Date(_) | Param::Time(_) => Some(0),
            },
            "TypeCast" => self.number(node.get("arg")),
            "MinMaxExpr" => {
                let bounds = node.get("args").items().iter().map(|item| self.number(item));
                // LEAST is bounded by any of them, GREATEST by all.
                if node.int("op") == 2 {
                    return bounds.flatten().min();
                }
                bounds.collect::<Option<Vec<_>>>()?.into_iter().max()
            }
            "AExpr" if node.int("kind") == 1 => self.arithmetic(node),
            _ => None,
        }
    }

    fn arithmetic(&self, node: &Node) -> Option<i64> {
        let names = node.get("name").names();
        let (left, right) = (node.get("lexpr"), node.get("rexpr"));
        match (names.as_slice(), left.is_nothing()) {
            (["+"], true) => self.number(right),
            (["-"], true) => self.exact(right)?.checked_neg(),
            (["%"], false) => self.exact(right)?.checked_abs(),
            (["+"], false) => self.number(left)?.checked_add(self.number(right)?),
            (["-"], false) => self.number(left)?.checked_sub(self.exact(right)?),
            (["*"], false) => match (self.exact(left), self.exact(right)) {
                (Some(left), Some(right)) => left.checked_mul(right),
                (None, Some(factor)) if factor >= 0 => self.number(left)?.checked_mul(factor),
                (Some(factor), None) if factor >= 0 => self.number(right)?.checked_mul(factor),
                _ => None,
            },
            _ => None,
        }
    }

    /// A constant, where an upper bound is not enough.
    fn exact(&self, tree: &Tree) -> Option<i64> {
        let node = tree.node()?;
        match node.kind {
            "AConst" | "ParamRef" => self.number(tree),
            "TypeCast" => self.exact(node.get("arg")),
            _ => None,
        }
    }
}

fn bounded(what: &str, size: u64) -> Result<u64, ToolError> {
    if size > MOST {
        return refuse(format!("{what} would make a value of more than 1 MiB; make it shorter"));
    }
    Ok(size)
}

/// What replacing may make of a text: short ones by short ones grow little, and by much only where
/// every letter is replaced.
fn replaced(text: u64, by: u64) -> u64 {
    if text <= 4096 && by <= 256 {
        return text.saturating_add(by.saturating_mul(16));
    }
    text.saturating_mul(by.max(1)).max(text)
}

/// A row of VALUES.
fn row(tree: &Tree) -> &[Tree] {
    tree.as_kind("List").map_or(tree.items(), |list| list.get("items").items())
}

fn constant(node: &Node) -> u64 {
    let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
    match node.get("val").node() {
        Some(value) if value.kind == "String" => length(value.text("sval")),
        Some(value) if value.kind == "BitString" => length(value.text("bsval")),
        _ => 20,
    }
}

fn length(param: &Param) -> u64 {
    match param {
        Param::Text(text) | Param::Number(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
        Param::Null | Param::Bool(_) | Param::Integer(_) => 20,
        Param::Date(_) | Param::Time(_) => 40,
    }
}

fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A number as it is written, rounded up; one that is too large counts as the largest.
fn whole(text: &str) -> Option<i64> {
    let clean = text.trim().replace('_', "");
    if let Ok(number) = clean.parse() {
        return Some(number);
    }
    let number: f64 = clean.parse().ok()?;
    if number.is_nan() {
        return None;
    }
    if number.abs() > 1e15 {
        return Some(if number > 0.0 { i64::MAX } else { 0 });
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is below 2^53")]
    Some(number.ceil() as i64)
}
