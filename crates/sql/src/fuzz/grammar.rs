//! Expressions of a wanted type, over what is in scope.

use super::catalogue::{Catalogue, Dialect, Relation, Routine};
use super::random::Random;

/// A column in scope: how it is written, and its type.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) text: String,
    pub(crate) type_name: &'a str,
}

/// Makes statements of what a catalogue offers.
pub(crate) struct Grammar<'a> {
    pub(crate) offer: &'a Catalogue,
    pub(crate) random: Random,
    /// In how many of a hundred expressions any function at all is called.
    pub(crate) wild: usize,
    /// In how many of a hundred places a doubtful relation is read.
    pub(crate) doubt: usize,
    names: usize,
}

impl<'a> Grammar<'a> {
    pub(crate) fn new(offer: &'a Catalogue, random: Random) -> Self {
        Self { offer, random, wild: 0, doubt: 1, names: 0 }
    }

    /// A name that was not used before.
    pub(crate) fn name(&mut self, start: &str) -> String {
        self.names += 1;
        format!("{start}{}", self.names)
    }

    /// A relation to be read.
    pub(crate) fn relation(&mut self) -> &'a Relation {
        let is_doubtful = self.random.chance(self.doubt);
        let list = if is_doubtful { &self.offer.doubtful } else { &self.offer.relations };
        self.random.pick(list)
    }

    /// Any type that there are constants of.
    pub(crate) fn any_type(&mut self) -> &'a str {
        let types = self.offer.types();
        self.random.word(&types)
    }

    /// A type, most often one that something in scope has.
    pub(crate) fn type_in(&mut self, scope: &[Field<'a>]) -> &'a str {
        match self.random.maybe(scope) {
            Some(field) if self.random.chance(75) => field.type_name,
            _ => self.any_type(),
        }
    }

    /// An expression of a type.
    pub(crate) fn expression(
        &mut self,
        scope: &[Field<'a>],
        wanted: &'a str,
        depth: usize,
    ) -> String {
        // A list of functions may name the very value that an argument has.
        if wanted.starts_with(['\'', '$'])
            || wanted.starts_with(|first: char| first.is_ascii_digit())
        {
            return wanted.to_owned();
        }
        if self.random.chance(self.wild) {
            return self.call_of_anything(scope, depth.saturating_sub(1));
        }
        if depth == 0 {
            return self.leaf(scope, wanted);
        }
        if wanted == self.offer.truth() && self.random.chance(60) {
            return self.condition(scope, depth - 1);
        }
        match self.random.weighted(&[35, 25, 18, 6, 6, 5, 5]) {
            0 => self.leaf(scope, wanted),
            1 => self.call(scope, wanted, depth - 1),
            2 => self.operation(scope, wanted, depth - 1),
            3 => self.cast(scope, wanted, depth - 1),
            4 => {
                let condition = self.condition(scope, depth - 1);
                let [yes, no] = [0, 0].map(|_| self.expression(scope, wanted, depth - 1));
                format!("CASE WHEN {condition} THEN {yes} ELSE {no} END")
            }
            5 => {
                let [first, second] = [0, 0].map(|_| self.expression(scope, wanted, depth - 1));
                format!("coalesce({first}, {second})")
            }
            _ => self.scalar(scope, wanted),
        }
    }

    /// A column or a constant.
    pub(crate) fn leaf(&mut self, scope: &[Field<'a>], wanted: &str) -> String {
        let fitting: Vec<&Field<'_>> =
            scope.iter().filter(|field| field.type_name == wanted).collect();
        if !fitting.is_empty() && self.random.chance(80) {
            return self.random.pick(&fitting).text.clone();
        }
        if self.random.chance(4) {
            return self.cast_of("NULL", wanted);
        }
        let constants = self.offer.constants.get(wanted);
        let constant = constants.and_then(|list| self.random.maybe(list));
        constant.cloned().unwrap_or_else(|| self.cast_of("NULL", wanted))
    }

    fn fitting(&mut self, list: &'a [Routine], wanted: &str) -> Option<&'a Routine> {
        let fitting: Vec<&Routine> =
            list.iter().filter(|routine| routine.result == wanted).collect();
        self.random.maybe(&fitting).copied()
    }

    fn call(&mut self, scope: &[Field<'a>], wanted: &'a str, depth: usize) -> String {
        match self.fitting(&self.offer.functions, wanted) {
            Some(function) => self.call_of(function, scope, depth),
            None => self.leaf(scope, wanted),
        }
    }

    /// A call of this function.
    pub(crate) fn call_of(
        &mut self,
        function: &'a Routine,
        scope: &[Field<'a>],
        depth: usize,
    ) -> String {
        let arguments: Vec<String> =
            function.arguments.iter().map(|wanted| self.expression(scope, wanted, depth)).collect();
        format!("{}({})", function.name, arguments.join(", "))
    }

    /// An aggregate over what is in scope.
    pub(crate) fn aggregate(&mut self, scope: &[Field<'a>], wanted: &'a str) -> String {
        let Some(aggregate) = self.fitting(&self.offer.aggregates, wanted) else {
            return self.leaf(&[], wanted);
        };
        let call = self.call_of(aggregate, scope, 1);
        if self.offer.dialect != Dialect::Mysql && self.random.chance(10) {
            let condition = self.condition(scope, 0);
            return format!("{call} FILTER (WHERE {condition})");
        }
        call
    }

    /// A function over a window.
    pub(crate) fn window(&mut self, scope: &[Field<'a>], wanted: &'a str) -> String {
        let list = [&self.offer.windows, &self.offer.aggregates][self.random.below(2)];
        let Some(function) = self.fitting(list, wanted) else { return self.leaf(scope, wanted) };
        let call = self.call_of(function, scope, 0);
        let Some(first) = self.random.maybe(scope).cloned() else {
            return format!("{call} OVER ()");
        };
        let second = self.random.pick(scope).text.clone();
        let frame = self.random.word(&[
            "",
            " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            " ROWS UNBOUNDED PRECEDING",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        ]);
        format!("{call} OVER (PARTITION BY {} ORDER BY {second}{frame})", first.text)
    }

    fn operation(&mut self, scope: &[Field<'a>], wanted: &'a str, depth: usize) -> String {
        let Some(operator) = self.fitting(&self.offer.operators, wanted) else {
            return self.leaf(scope, wanted);
        };
        let [left, right] =
            [0, 1].map(|place| self.expression(scope, &operator.arguments[place], depth));
        format!("({left} {} {right})", operator.name)
    }

    fn cast(&mut self, scope: &[Field<'a>], wanted: &'a str, depth: usize) -> String {
        let types: Vec<&'a str> = self
            .offer
            .casts
            .iter()
            .filter(|(_, to)| to == wanted)
            .map(|(from, _)| from.as_str())
            .collect();
        let Some(from) = self.random.maybe(&types).copied() else {
            return self.leaf(scope, wanted);
        };
        let value = self.expression(scope, from, depth);
        self.cast_of(&value, wanted)
    }

    fn cast_of(&mut self, value: &str, wanted: &str) -> String {
        let name = match (self.offer.dialect, wanted) {
            (Dialect::Mysql, "int") => "SIGNED",
            (Dialect::Mysql, "number") => "DECIMAL(14,3)",
            (Dialect::Mysql, "date") => "DATE",
            (Dialect::Mysql, _) => "CHAR",
            (Dialect::Sqlite, "int") => "INTEGER",
            (Dialect::Sqlite, "number") => "REAL",
            (Dialect::Sqlite, _) => "TEXT",
            (Dialect::Postgres, other) if self.random.chance(50) => {
                return format!("({value})::{other}");
            }
            (Dialect::Postgres, other) => other,
        };
        format!("CAST({value} AS {name})")
    }

    /// A query of one value, which may look outside.
    fn scalar(&mut self, scope: &[Field<'a>], wanted: &'a str) -> String {
        let relation = self.relation();
        let alias = self.name("s");
        let mut inner = Self::fields(relation, &alias);
        let value = self.aggregate(&inner, wanted);
        inner.extend(scope.iter().cloned());
        let condition = self.condition(&inner, 0);
        format!("(SELECT {value} FROM {} {alias} WHERE {condition})", relation.name)
    }

    /// Something that is true or false.
    pub(crate) fn condition(&mut self, scope: &[Field<'a>], depth: usize) -> String {
        let of = self.type_in(scope);
        let left = self.expression(scope, of, depth);
        match self.random.weighted(&[45, 8, 8, 8, 10, 8, 6, 7]) {
            0 => {
                let sign = self.random.word(&["=", "<>", "="]);
                format!("{left} {sign} {}", self.expression(scope, of, depth))
            }
            1 => format!("{left} IS NOT NULL"),
            2 => {
                let list = [0, 0, 0].map(|_| self.leaf(&[], of));
                format!("{left} IN ({})", list.join(", "))
            }
            3 => format!("NOT ({left} = {})", self.leaf(scope, of)),
            4 => {
                let [first, second] =
                    [0, 0].map(|_| self.condition(scope, depth.saturating_sub(1)));
                let word = self.random.word(&["AND", "OR"]);
                format!("({first} {word} {second})")
            }
            5 => {
                let relation = self.relation();
                let alias = self.name("e");
                let mut inner = Self::fields(relation, &alias);
                inner.extend(scope.iter().cloned());
                let condition = self.condition(&inner, 0);
                format!("EXISTS (SELECT 1 FROM {} {alias} WHERE {condition})", relation.name)
            }
            6 => {
                let right = [0, 0].map(|_| self.leaf(scope, of));
                format!("({left}, {}) = ({}, {})", right[0], right[1], self.leaf(scope, of))
            }
            _ => {
                let text = self.leaf(scope, "text");
                format!("{text} LIKE '%{}%'", self.random.word(&["a", "1", "_", "e"]))
            }
        }
    }

    /// Any function of the catalogue, with arguments of any types.
    pub(crate) fn call_of_anything(&mut self, scope: &[Field<'a>], depth: usize) -> String {
        let name = self.random.pick(&self.offer.everything).clone();
        let count = self.random.weighted(&[30, 35, 25, 10]);
        let mut arguments = Vec::new();
        for _ in 0..count {
            let of = self.type_in(scope);
            arguments.push(self.expression(scope, of, depth.min(1)));
        }
        match (arguments.as_slice(), scope.first(), self.offer.dialect) {
            // A function of one argument may be called as if it were a column.
            ([_], Some(field), Dialect::Postgres) if self.random.chance(30) => {
                let row = field.text.split('.').next().unwrap_or_default();
                format!("{}.{name}", self.random.pick(&[format!("({row})"), row.to_owned()]))
            }
            _ => format!("{name}({})", arguments.join(", ")),
        }
    }
}
