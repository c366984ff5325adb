//! What docs/security.md says of single layers is what the attacks found.

use std::collections::BTreeMap;

use tests::harness::repository;

/// The engines as the tables name them, and as the files do.
const ENGINES: [(&str, &str); 3] =
    [("PostgreSQL", "postgres"), ("MySQL, MariaDB", "mysql"), ("SQLite", "sqlite")];
/// The layers in the order of the first table.
const LAYERS: [&str; 5] = ["all", "credential", "session", "statement", "engine"];

fn file(path: &str) -> String {
    let path = repository().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// How many attacks of which class get through without a layer, by engine, layer and class.
fn found() -> BTreeMap<[String; 3], usize> {
    let mut found = BTreeMap::new();
    for (engine, name) in ENGINES {
        let mut layer = "";
        let text = file(&format!("crates/sql/attacks/{name}.layers.txt"));
        for line in text.lines() {
            let heading = line.strip_prefix("without the ").or_else(|| line.strip_prefix("# "));
            let heading = heading.or_else(|| line.strip_prefix("with "));
            if let Some(heading) = heading {
                let word = heading.split([' ', ':']).next().expect("a word");
                layer = LAYERS.iter().find(|layer| **layer == word).expect(line);
            } else if let Some((class, _)) = line.split_once(": ") {
                let key = [engine, layer, class.trim()].map(str::to_owned);
                *found.entry(key).or_default() += 1;
            }
        }
    }
    found
}

/// The statements of an engine's list.
fn listed(name: &str) -> usize {
    // MySQL's own comments begin with `#`, so that its list marks classes by `# `.
    let is_statement = |line: &&str| {
        !line.is_empty() && !line.starts_with("# ") && (name == "mysql" || !line.starts_with('#'))
    };
    file(&format!("crates/sql/attacks/{name}.txt")).lines().filter(is_statement).count()
}

/// The cells of the rows of the tables that begin with an engine.
fn rows() -> Vec<Vec<String>> {
    let text = file("docs/security.md");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| ")).map(cells);
    rows.filter(|cells| ENGINES.iter().any(|(engine, _)| *engine == cells[0])).collect()
}

#[test]
fn the_security_page_says_what_gets_through() {
    let found = found();
    let (counts, classes): (Vec<_>, Vec<_>) = rows().into_iter().partition(|row| row.len() == 7);
    let expected: Vec<Vec<String>> = ENGINES
        .iter()
        .map(|(engine, name)| {
            let through = LAYERS.map(|layer| {
                let of_layer =
                    found.iter().filter(|([of, off, _], _)| of == engine && off == layer);
                of_layer.map(|(_, count)| count).sum::<usize>().to_string()
            });
            [(*engine).to_owned(), listed(name).to_string()].into_iter().chain(through).collect()
        })
        .collect();
    assert_eq!(counts, expected, "the first table of docs/security.md");
    let said: BTreeMap<[String; 3], usize> = classes
        .into_iter()
        .map(|row| {
            let [engine, layer, class, count, why] = row.as_slice() else { panic!("{row:?}") };
            assert!(why.len() > 20, "{row:?}");
            ([engine, layer, class].map(Clone::clone), count.parse().expect("a number"))
        })
        .collect();
    assert_eq!(said, found, "the second table of docs/security.md");
}
