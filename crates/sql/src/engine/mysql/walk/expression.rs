//! Expressions, calls and windows.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    WindowFrameBound, WindowSpec, WindowType,
};

use super::{Done, Found, parts, unsupported};
use crate::engine::mysql::functions;
use crate::engine::mysql::lexer::bytes;

impl Found {
    pub(super) fn all<'a>(&mut self, values: impl IntoIterator<Item = &'a Expr>) -> Done {
        values.into_iter().try_for_each(|value| self.value(value))
    }

    /// Goes through an expression without recursion, so that a long chain of operators does not
    /// need a deep stack.
    pub(super) fn value(&mut self, root: &Expr) -> Done {
        let mut waiting = vec![root];
        while let Some(value) = waiting.pop() {
            self.node(value, &mut waiting)?;
        }
        Ok(())
    }

    fn node<'a>(&mut self, value: &'a Expr, waiting: &mut Vec<&'a Expr>) -> Done {
        match value {
            Expr::Identifier(_)
            | Expr::Value(_)
            | Expr::TypedString(_)
            | Expr::MatchAgainst { .. }
            | Expr::Wildcard(_) => {}
            Expr::CompoundIdentifier(parts) => self.names(&parts.iter().collect::<Vec<_>>(), 3),
            Expr::QualifiedWildcard(name, _) => self.names(&parts(name)?, 2),
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Nested(inner)
            | Expr::UnaryOp { op: _, expr: inner }
            | Expr::Cast { kind: _, expr: inner, data_type: _, format: None }
            | Expr::Collate { expr: inner, collation: _ }
            | Expr::Prefixed { prefix: _, value: inner }
            | Expr::Extract { field: _, syntax: _, expr: inner }
            | Expr::Ceil { expr: inner, field: _ }
            | Expr::Floor { expr: inner, field: _ } => waiting.push(inner),
            Expr::Convert { is_try: false, expr, data_type: _, charset: _, styles, .. } => {
                waiting.push(expr);
                waiting.extend(styles);
            }
            Expr::BinaryOp { left, op: _, right }
            | Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right)
            | Expr::RLike { negated: _, expr: left, pattern: right, regexp: _ }
            | Expr::AnyOp { left, compare_op: _, right, is_some: _ }
            | Expr::AllOp { left, compare_op: _, right }
            | Expr::Position { expr: left, r#in: right } => waiting.extend([&**left, &**right]),
            Expr::Like { negated: _, any: _, expr, pattern, escape_char } => {
                waiting.extend([&**expr, &**pattern]);
                waiting.extend(escape_char.as_deref());
            }
            Expr::InList { expr, list, negated: _ } => {
                waiting.push(expr);
                waiting.extend(list);
            }
            Expr::Between { expr, negated: _, low, high } => {
                waiting.extend([&**expr, &**low, &**high]);
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                waiting.push(expr);
                waiting.extend(substring_from.as_deref());
                waiting.extend(substring_for.as_deref());
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                waiting.push(expr);
                waiting.extend(trim_what.as_deref());
                waiting.extend(trim_characters.iter().flatten());
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                waiting.extend(operand.as_deref());
                waiting.extend(conditions.iter().flat_map(|when| [&when.condition, &when.result]));
                waiting.extend(else_result.as_deref());
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                waiting.extend(sets.iter().flatten());
            }
            Expr::Tuple(values) => waiting.extend(values),
            Expr::Interval(interval) => waiting.push(&interval.value),
            Expr::MemberOf(member) => waiting.extend([&*member.value, &*member.array]),
            Expr::InSubquery { expr, subquery, negated: _ } => {
                waiting.push(expr);
                self.query(subquery)?;
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => {
                self.query(subquery)?;
            }
            Expr::Function(function) => self.function(function, waiting)?,
            _ => return Err(unsupported("an expression of another database")),
        }
        Ok(())
    }

    fn function<'a>(&mut self, function: &'a Function, waiting: &mut Vec<&'a Expr>) -> Done {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            within_group,
            filter,
            null_treatment: _,
            over,
        } = function;
        if *uses_odbc_syntax || !matches!(parameters, FunctionArguments::None) {
            return Err(unsupported("this form of a call"));
        }
        if let [name] = parts(name)?.as_slice() {
            let lower = name.value.to_lowercase();
            if functions::counting_argument(&lower).is_some() {
                self.counting.push((lower, bytes(name.span).start));
            }
        }
        match args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => self.query(query)?,
            FunctionArguments::List(list) => {
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => waiting.push(value),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
                        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
                            self.names(&parts(name)?, 2);
                        }
                        _ => return Err(unsupported("a named argument")),
                    }
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(by) => {
                            waiting.extend(by.iter().map(|by| &by.expr));
                        }
                        FunctionArgumentClause::Limit(value) => waiting.push(value),
                        FunctionArgumentClause::Separator(_)
                        | FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                        _ => return Err(unsupported("this clause of a call")),
                    }
                }
            }
        }
        waiting.extend(within_group.iter().map(|by| &by.expr));
        waiting.extend(filter.as_deref());
        match over {
            Some(WindowType::WindowSpec(window)) => self.window(window),
            Some(WindowType::NamedWindow(_)) | None => Ok(()),
        }
    }

    pub(super) fn window(&mut self, window: &WindowSpec) -> Done {
        let WindowSpec { window_name: _, partition_by, order_by, window_frame } = window;
        self.all(partition_by)?;
        self.order(order_by)?;
        let Some(frame) = window_frame else { return Ok(()) };
        for bound in [Some(&frame.start_bound), frame.end_bound.as_ref()].into_iter().flatten() {
            if let WindowFrameBound::Preceding(Some(value))
            | WindowFrameBound::Following(Some(value)) = bound
            {
                self.value(value)?;
            }
        }
        Ok(())
    }
}
