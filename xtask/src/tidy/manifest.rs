//! Reads of a Cargo.toml what the rules ask about: its dependencies, and where they stand.

/// A manifest's dependencies.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    /// All dependencies: for use, for tests, for build scripts, for one platform.
    pub(super) dependencies: Vec<Dependency>,
}

/// One dependency.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// From 1.
    pub(super) line: usize,
    /// Whether version and features come from the workspace.
    pub(super) is_inherited: bool,
    /// Whether it is the workspace's own entry, `[workspace.dependencies]`.
    pub(super) is_workspace: bool,
}

impl Manifest {
    /// Reads line by line: cargo itself has already refused what is not TOML.
    pub(super) fn parse(text: &str) -> Self {
        let mut dependencies: Vec<Dependency> = Vec::new();
        let mut section = String::new();
        // Brackets left open by a value that goes on over several lines.
        let mut open = 0_isize;
        for (index, line) in text.lines().enumerate() {
            let line = line.split_once(" #").map_or(line, |(code, _)| code).trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if open == 0 && line.starts_with('[') {
                line.trim_matches(['[', ']']).clone_into(&mut section);
                if let Some((table, name)) = named_table(&section) {
                    let is_workspace = table == "workspace.dependencies";
                    let name = name.to_owned();
                    let line = index + 1;
                    let dependency = Dependency { name, line, is_inherited: false, is_workspace };
                    dependencies.push(dependency);
                }
                continue;
            }
            if open == 0
                && is_dependencies(&section)
                && let Some((key, value)) = line.split_once('=')
            {
                let key = key.trim();
                let name = key.split('.').next().unwrap_or(key).trim_matches('"').to_owned();
                let is_inherited = format!("{key}{value}").contains("workspace");
                let is_workspace = section == "workspace.dependencies";
                let line = index + 1;
                dependencies.push(Dependency { name, line, is_inherited, is_workspace });
            }
            open += brackets(line);
        }
        Self { dependencies }
    }
}

/// `dependencies.name` as table and name.
fn named_table(section: &str) -> Option<(&str, &str)> {
    let (table, name) = section.rsplit_once('.')?;
    is_dependencies(table).then_some((table, name))
}

fn is_dependencies(section: &str) -> bool {
    section.rsplit('.').next().is_some_and(|last| {
        matches!(last, "dependencies" | "dev-dependencies" | "build-dependencies")
    })
}

fn brackets(line: &str) -> isize {
    line.chars().fold(0, |open, c| match c {
        '[' | '{' => open + 1,
        ']' | '}' => open - 1,
        _ => open,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, usize, bool)> {
        let manifest = Manifest::parse(text);
        manifest.dependencies.into_iter().map(|d| (d.name, d.line, d.is_inherited)).collect()
    }

    #[test]
    fn all_ways_to_write_a_dependency_are_understood() {
        let text = "\
[package]
name = \"x\"

[dependencies]
# a comment
anyhow = { workspace = true }
serde.workspace = true
tokio = { version = \"1\", features = [
    \"rt\",
    \"net\",
] } # the reason
libc = \"0.2\"

[target.'cfg(unix)'.dev-dependencies]
nix = \"1\"

[dependencies.axum]
version = \"1\"

[lints]
workspace = true
";
        let expected = [
            ("anyhow", 6, true),
            ("serde", 7, true),
            ("tokio", 8, false),
            ("libc", 12, false),
            ("nix", 15, false),
            ("axum", 17, false),
        ];
        assert_eq!(names(text), expected.map(|(n, l, w)| (n.to_owned(), l, w)));
    }

    #[test]
    fn the_workspace_s_own_entries_are_marked() {
        let manifest = Manifest::parse("[workspace.dependencies]\nanyhow = \"1\"\n");
        assert!(manifest.dependencies[0].is_workspace);
        assert!(!manifest.dependencies[0].is_inherited);
    }
}
