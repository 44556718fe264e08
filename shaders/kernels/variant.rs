//! Turns a shader variant (template text + defines) into plain WGSL. Pure text work: every listed variant can be
//! expanded and validated without a device.
//!
//! A template is WGSL with these lines, each alone on its line, `#` first after any indentation:
//!
//! - `#ifdef NAME`, `#ifndef NAME`, `#else`, `#endif`: keep or drop lines; they nest.
//! - `#import NAME`: adds the snippet of that name from [`SNIPPETS`] once, however often it is imported. Snippets are
//!   module-scope declarations and may themselves use every directive.
//!
//! Everywhere else, a word equal to the name of a define becomes the define's value (not expanded again).
//! The template keeps its line numbers: directives and dropped lines become empty lines, and snippets go to the
//! end (WGSL declarations may be used before they appear), so compiler messages point into the `.wgsl` file.

use crate::program::Variant;

/// Shader text shared by kernels: (name for `#import`, WGSL), from `common/*.wgsl` and from the kernels that
/// share a strategy but store differently.
pub static SNIPPETS: &[(&str, &str)] = &[
    ("attention_tile", include_str!("common/attention_tile.wgsl")),
    ("blocks", include_str!("upscale2/blocks.wgsl")),
    ("epilogue", include_str!("common/epilogue.wgsl")),
    ("gemm_tile", include_str!("common/gemm_tile.wgsl")),
    ("patch", include_str!("patchmatch/patch.wgsl")),
    ("patch_votes", include_str!("patchmatch/patch_votes.wgsl")),
    ("rows", include_str!("linear/rows.wgsl")),
    ("source", include_str!("common/source.wgsl")),
    ("stockham", include_str!("common/stockham.wgsl")),
    ("token_params", include_str!("common/token_params.wgsl")),
    ("unit", include_str!("common/unit.wgsl")),
    ("window", include_str!("common/window.wgsl")),
];

/// What can be wrong with a template: a mistake in the project's own shader files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariantError {
    /// A line starts with `#` but is none of the known directives, or lacks its name.
    #[error(
        "{file}:{line}: '{text}' is no directive; known are #ifdef NAME, #ifndef NAME, #else, #endif, #import NAME"
    )]
    Directive {
        /// `kernel.strategy` or the snippet's name.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// The line, trimmed.
        text: String,
    },
    /// `#else` or `#endif` without `#ifdef`, a second `#else`, or a missing `#endif`.
    #[error("{file}:{line}: {what}")]
    Unbalanced {
        /// `kernel.strategy` or the snippet's name.
        file: String,
        /// Line number, from 1; the opening line when `#endif` is missing.
        line: usize,
        /// What is out of place.
        what: &'static str,
    },
    /// `#import` of a name that is not in [`SNIPPETS`].
    #[error("{file}:{line}: no snippet '{name}'; known are [{known}]")]
    UnknownImport {
        /// `kernel.strategy` or the snippet's name.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// The name asked for.
        name: String,
        /// Names in [`SNIPPETS`].
        known: String,
    },
}

/// The WGSL of a variant, with the entry point `main`.
pub fn expand(variant: &Variant) -> Result<String, VariantError> {
    expand_with(variant, SNIPPETS)
}

fn expand_with(variant: &Variant, snippets: &[(&str, &str)]) -> Result<String, VariantError> {
    let mut imports: Vec<&str> = Vec::new();
    let mut out = String::with_capacity(variant.template.len() * 2);
    let file = format!("{}.{}", variant.kernel, variant.strategy);
    expand_text(
        &file,
        variant.template,
        &variant.defines,
        snippets,
        &mut imports,
        &mut out,
    )?;
    let mut done = 0;
    while done < imports.len() {
        let name = imports[done];
        if let Some((_, text)) = snippets.iter().find(|(known, _)| *known == name) {
            expand_text(
                name,
                text,
                &variant.defines,
                snippets,
                &mut imports,
                &mut out,
            )?;
        }
        done += 1;
    }
    Ok(out)
}

/// One open `#ifdef`.
struct Block {
    line: usize,
    /// Whether the lines around the block are kept.
    outer: bool,
    /// Whether the branch being read is kept, given `outer`.
    kept: bool,
    has_else: bool,
}

/// The conditions around a line.
#[derive(Default)]
struct Blocks(Vec<Block>);

impl Blocks {
    /// Whether lines here are kept.
    fn active(&self) -> bool {
        self.0.last().is_none_or(|b| b.outer && b.kept)
    }

    /// `#ifdef`, whose first branch is kept if `kept`.
    fn open(&mut self, line: usize, kept: bool) {
        self.0.push(Block {
            line,
            outer: self.active(),
            kept,
            has_else: false,
        });
    }

    /// `#else`, or what is wrong with it.
    fn turn(&mut self) -> Result<(), &'static str> {
        let block = self.0.last_mut().ok_or("#else without #ifdef")?;
        if block.has_else {
            return Err("second #else in one #ifdef");
        }
        block.has_else = true;
        block.kept = !block.kept;
        Ok(())
    }

    /// `#endif`, or what is wrong with it.
    fn close(&mut self) -> Result<(), &'static str> {
        let closed = self.0.pop().map(|_| ());
        closed.ok_or("#endif without #ifdef")
    }
}

/// Appends `text` to `out`, line for line, and the names it imports to `imports`.
fn expand_text<'s>(
    file: &str,
    text: &str,
    defines: &[(&'static str, String)],
    snippets: &[(&'s str, &str)],
    imports: &mut Vec<&'s str>,
    out: &mut String,
) -> Result<(), VariantError> {
    let unbalanced = |line, what| VariantError::Unbalanced {
        file: file.to_string(),
        line,
        what,
    };
    let mut blocks = Blocks::default();
    for (index, raw) in text.lines().enumerate() {
        let (line, trimmed) = (index + 1, raw.trim());
        if trimmed.starts_with('#') {
            let words: Vec<&str> = trimmed.split_whitespace().collect();
            match words.as_slice() {
                ["#ifdef", name] => blocks.open(line, is_defined(defines, name)),
                ["#ifndef", name] => blocks.open(line, !is_defined(defines, name)),
                ["#else"] => blocks.turn().map_err(|what| unbalanced(line, what))?,
                ["#endif"] => blocks.close().map_err(|what| unbalanced(line, what))?,
                ["#import", name] if blocks.active() => {
                    import(file, line, name, snippets, imports)?
                }
                ["#import", _] => {}
                _ => {
                    return Err(VariantError::Directive {
                        file: file.to_string(),
                        line,
                        text: trimmed.to_string(),
                    });
                }
            }
        } else if blocks.active() {
            replace_words(raw, defines, out);
        }
        out.push('\n');
    }
    match blocks.0.last() {
        Some(open) => Err(unbalanced(open.line, "#ifdef without #endif")),
        None => Ok(()),
    }
}

fn is_defined(defines: &[(&'static str, String)], name: &str) -> bool {
    defines.iter().any(|(known, _)| *known == name)
}

fn import<'s>(
    file: &str,
    line: usize,
    name: &str,
    snippets: &[(&'s str, &str)],
    imports: &mut Vec<&'s str>,
) -> Result<(), VariantError> {
    let Some((known, _)) = snippets.iter().find(|(known, _)| *known == name) else {
        let known = snippets
            .iter()
            .map(|(known, _)| *known)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(VariantError::UnknownImport {
            file: file.to_string(),
            line,
            name: name.to_string(),
            known,
        });
    };
    if !imports.contains(known) {
        imports.push(known);
    }
    Ok(())
}

/// Appends `line` to `out` with every whole word that names a define replaced by its value.
fn replace_words(line: &str, defines: &[(&'static str, String)], out: &mut String) {
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let in_word = is_word(first);
        let end = rest.find(|c| is_word(c) != in_word).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        match defines.iter().find(|(name, _)| in_word && *name == part) {
            Some((_, value)) => out.push_str(value),
            None => out.push_str(part),
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(template: &'static str, defines: &[(&'static str, &str)]) -> Variant {
        let defines = defines
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        Variant {
            kernel: "k",
            strategy: "s",
            template,
            defines,
            subgroups: false,
        }
    }

    fn lines(template: &'static str, defines: &[(&'static str, &str)]) -> Vec<String> {
        expand(&variant(template, defines))
            .unwrap()
            .lines()
            .map(str::to_string)
            .collect()
    }

    #[test]
    fn replaces_whole_words_only() {
        let got = lines("let a = N + N2 + xN + N; // N", &[("N", "8u")]);
        assert_eq!(got, ["let a = 8u + N2 + xN + 8u; // 8u"]);
    }

    #[test]
    fn values_are_not_expanded_again() {
        assert_eq!(lines("A B", &[("A", "B"), ("B", "A")]), ["B A"]);
    }

    #[test]
    fn conditions_nest_and_keep_line_numbers() {
        let text = "#ifdef A\na\n  #ifdef B\nab\n  #else\na-\n  #endif\n#else\n-\n#ifdef B\n-b\n#endif\n#endif\nend";
        let at = |defines: &[(&'static str, &str)]| lines(text, defines);
        assert_eq!(at(&[("A", "x")])[5], "a-");
        assert_eq!(at(&[("A", "x")])[1], "a");
        assert_eq!(at(&[("A", "1"), ("B", "1")])[3], "ab");
        assert_eq!(at(&[("B", "1")])[10], "-b");
        for got in [at(&[]), at(&[("A", "1")]), at(&[("A", "1"), ("B", "1")])] {
            assert_eq!(got.len(), text.lines().count());
            assert_eq!(got[13], "end");
        }
        assert_eq!(
            at(&[]).iter().filter(|l| !l.is_empty()).collect::<Vec<_>>(),
            ["-", "end"]
        );
    }

    #[test]
    fn ifndef_is_the_opposite() {
        assert_eq!(
            lines("#ifndef A\nno\n#else\nyes\n#endif", &[("A", "")]),
            ["", "", "", "yes", ""]
        );
    }

    #[test]
    fn imports_come_once_at_the_end_and_may_chain() {
        let snippets = [
            ("base", "fn base() { N }"),
            ("top", "#import base\nfn top() {}"),
        ];
        let v = variant(
            "#import top\n#import base\n#import top\nmain",
            &[("N", "3")],
        );
        let got = expand_with(&v, &snippets).unwrap();
        assert_eq!(
            got.lines().collect::<Vec<_>>(),
            ["", "", "", "main", "", "fn top() {}", "fn base() { 3 }"]
        );
    }

    #[test]
    fn imports_in_a_cycle_end() {
        let snippets = [("a", "#import b\nA"), ("b", "#import a\nB")];
        let got = expand_with(&variant("#import a", &[]), &snippets).unwrap();
        assert_eq!(got.split_whitespace().collect::<Vec<_>>(), ["A", "B"]);
    }

    #[test]
    fn dropped_imports_are_not_added() {
        let got = expand_with(&variant("#ifdef X\n#import a\n#endif", &[]), &[("a", "A")]).unwrap();
        assert_eq!(got.trim(), "");
    }

    #[test]
    fn mistakes_name_file_and_line() {
        let message = |text| expand(&variant(text, &[])).unwrap_err().to_string();
        assert!(message("a\n#if X").starts_with("k.s:2: '#if X' is no directive"));
        assert!(message("#ifdef").starts_with("k.s:1:"));
        assert_eq!(message("#endif"), "k.s:1: #endif without #ifdef");
        assert_eq!(message("\n#else"), "k.s:2: #else without #ifdef");
        assert_eq!(
            message("\n#ifdef A\n#else\n#else"),
            "k.s:4: second #else in one #ifdef"
        );
        assert_eq!(
            message("\n#ifdef A\n#else\n"),
            "k.s:2: #ifdef without #endif"
        );
        assert!(message("#import nothing").starts_with("k.s:1: no snippet 'nothing'"));
    }

    #[test]
    fn every_snippet_has_its_own_name() {
        let mut names: Vec<_> = SNIPPETS.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), SNIPPETS.len());
    }
}
