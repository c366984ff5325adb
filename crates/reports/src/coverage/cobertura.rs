//! The XML of Cobertura: `class` elements with a file name and `line` elements with hits.

use std::io::Read;

use super::{CoverageError, Lines};
use crate::report::{Bounds, FaultKind};
use crate::xml::{Element, Token, Xml};

pub(super) fn read<R: Read>(
    input: R,
    bounds: &Bounds,
    all: &mut Lines,
) -> Result<(), CoverageError> {
    let mut xml = Xml::new(input, bounds.text, bounds.depth);
    let mut open: Vec<String> = Vec::new();
    let mut file = String::new();
    let mut roots = 0;
    loop {
        match xml.next() {
            Ok(Token::Start(element)) => {
                roots += u32::from(open.is_empty());
                if open.is_empty() && element.name != "coverage" {
                    let why = format!("its root is <{}>", element.name);
                    return Err(CoverageError::Unreadable(why));
                }
                match element.name.as_str() {
                    "class" => {
                        element.said("filename").unwrap_or_default().clone_into(&mut file);
                        all.file(&file);
                    }
                    "line" => line(&element, &file, all)?,
                    _ => {}
                }
                open.push(element.name);
            }
            Ok(Token::End) => drop(open.pop()),
            Ok(Token::Text(_) | Token::Comment(_)) => {}
            Ok(Token::Eof) => break,
            Err(broken) if broken.kind == FaultKind::TooLarge => {
                return Err(CoverageError::TooLarge(broken.detail));
            }
            Err(broken) => return Err(CoverageError::Unreadable(broken.detail)),
        }
    }
    if roots == 1 {
        return Ok(());
    }
    Err(CoverageError::Unreadable(format!("it has {roots} root elements")))
}

/// A line; of a class it may be there twice, once beneath a method.
fn line(element: &Element, file: &str, all: &mut Lines) -> Result<(), CoverageError> {
    let number = element.number("number").and_then(|number| u32::try_from(number).ok());
    let (Some(number), Some(hits)) = (number, element.number("hits")) else {
        let why = format!("a line of {file} has no number or no hits");
        return Err(CoverageError::Unreadable(why));
    };
    all.line(file, number, hits > 0)?;
    // `50% (1/2)`
    let condition = element.said("condition-coverage").and_then(|text| text.split_once('('));
    let Some((hit, of)) =
        condition.and_then(|(_, rest)| rest.trim_end_matches(')').split_once('/'))
    else {
        return Ok(());
    };
    let (Ok(hit), Ok(of)) = (hit.trim().parse::<u32>(), of.trim().parse::<u32>()) else {
        return Ok(());
    };
    for branch in 0..of.min(10_000) {
        all.branch(file, (number, branch), branch < hit)?;
    }
    Ok(())
}
