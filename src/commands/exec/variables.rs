//! Which variable holds which file of a mount. Pure.

use std::collections::BTreeMap;

use crate::grpc::proto::File;

/// A variable to set.
pub(super) struct Variable<'a> {
    pub(super) name: String,
    /// The file's place in the response.
    pub(super) file: &'a File,
    /// Whether it holds the path of a copy in memory instead of the contents.
    pub(super) is_path: bool,
}

/// What the command line asks for.
pub(super) struct Wanted<'a> {
    /// Variables for contents, each with a file.
    pub(super) contents: &'a BTreeMap<String, String>,
    /// Variables for paths, each with a file.
    pub(super) paths: &'a BTreeMap<String, String>,
    /// Whether each other file becomes a variable.
    pub(super) is_all: bool,
}

impl Wanted<'_> {
    /// The variables for `files`. `is_set` says whether the environment has a variable already.
    ///
    /// # Errors
    /// A file that is not there, a name that two files give, or one that only `--env` may set.
    pub(super) fn variables<'a>(
        &self,
        files: &'a [File],
        is_set: impl Fn(&str) -> bool,
    ) -> Result<Vec<Variable<'a>>, String> {
        let mut variables = Vec::new();
        for (flag, mapping, is_path) in [("env", self.contents, false), ("file-env", self.paths, true)] {
            for (name, path) in mapping {
                let file = files.iter().find(|file| file.path == *path);
                let file = file.ok_or_else(|| {
                    let files: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
                    format!(
                        "--{flag}={name}={path}: the class has no file {path:?}; its files are {}",
                        files.join(", ")
                    )
                })?;
                variables.push(Variable {
                    name: name.clone(),
                    file,
                    is_path,
                });
            }
        }
        let is_mapped = |file: &File| {
            let mut mapped = self.contents.values().chain(self.paths.values());
            mapped.any(|path| *path == file.path)
        };
        for file in files.iter().filter(|file| self.is_all && !is_mapped(file)) {
            let (name, path) = (variable_of(&file.path), &file.path);
            let remedy = "map the file to a variable with --env NAME=FILE";
            if let Some(other) = variables.iter().find(|other| other.name == name) {
                let other = &other.file.path;
                return Err(format!(
                    "files {other:?} and {path:?} would both be {name}; {remedy}"
                ));
            }
            if steers_programs(&name) {
                return Err(format!(
                    "file {path:?} would be {name}, which changes how programs run; {remedy}"
                ));
            }
            if is_set(&name) {
                return Err(format!(
                    "file {path:?} would be {name}, which is set already; {remedy}"
                ));
            }
            variables.push(Variable {
                name,
                file,
                is_path: false,
            });
        }
        for Variable { name, file, .. } in variables.iter().filter(|one| !one.is_path) {
            let path = &file.path;
            let remedy = format!("use --file-env {name}={path}");
            if file.contents.contains(&0) {
                return Err(format!(
                    "file {path:?} holds a zero byte, which no variable can hold; {remedy}"
                ));
            }
            if name.len() + file.contents.len() + 2 > VARIABLE_BYTES {
                let bytes = file.contents.len();
                return Err(format!(
                    "file {path:?} has {bytes} bytes, and a variable holds at most {VARIABLE_BYTES}; {remedy}"
                ));
            }
        }
        Ok(variables)
    }
}

/// A file's name as a variable: capital letters, and `_` for whatever is neither letter nor digit.
fn variable_of(path: &str) -> String {
    let word = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = path.chars().map(word).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("_{name}");
    }
    name
}

/// Whether a variable changes what other programs load or run, so that only an explicit mapping may set it.
fn steers_programs(name: &str) -> bool {
    const NAMES: [&str; 24] = [
        "BASH_ENV",
        "CDPATH",
        "CLASSPATH",
        "ENV",
        "GCONV_PATH",
        "GLIBC_TUNABLES",
        "HOME",
        "HOSTALIASES",
        "IFS",
        "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "LOCALDOMAIN",
        "LOCPATH",
        "NLSPATH",
        "NODE_OPTIONS",
        "NODE_PATH",
        "PATH",
        "PROMPT_COMMAND",
        "PS4",
        "RES_OPTIONS",
        "SHELL",
        "SHELLOPTS",
        "TMPDIR",
        "_JAVA_OPTIONS",
    ];
    const FAMILIES: [&str; 10] = [
        "BASH_FUNC_",
        "DYLD_",
        "GIT_",
        "LD_",
        "LUA_",
        "MALLOC_",
        "PERL5",
        "PYTHON",
        "RUBY",
        "SSL_CERT_",
    ];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Bytes of a variable with its name, `=` and the final zero: `MAX_ARG_STRLEN` in the kernel's `binfmts.h`.
const VARIABLE_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, contents: &[u8]) -> File {
        File {
            path: path.to_owned(),
            mode: 0o644,
            contents: contents.to_vec(),
        }
    }

    /// The variables as `NAME=FILE`, with `@` before the file if it is a path.
    fn variables(
        files: &[File],
        contents: &[(&str, &str)],
        paths: &[(&str, &str)],
        is_all: bool,
    ) -> Result<Vec<String>, String> {
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, file)| ((*name).to_owned(), (*file).to_owned()));
            pairs.collect::<BTreeMap<_, _>>()
        };
        let wanted = Wanted {
            contents: &map(contents),
            paths: &map(paths),
            is_all,
        };
        let variables = wanted.variables(files, |name| name == "LANG")?;
        let text = |one: &Variable<'_>| {
            format!(
                "{}={}{}",
                one.name,
                if one.is_path { "@" } else { "" },
                one.file.path
            )
        };
        Ok(variables.iter().map(text).collect())
    }

    #[test]
    fn names_are_translated_and_mapped_files_are_taken_once() {
        let files =
            ["db/password", "db-user", "api.token", "9lives", "schlüssel"].map(|path| file(path, b"x"));
        assert_eq!(
            variables(&files, &[], &[], true).expect("all"),
            [
                "DB_PASSWORD=db/password",
                "DB_USER=db-user",
                "API_TOKEN=api.token",
                "_9LIVES=9lives",
                "SCHL_SSEL=schlüssel"
            ]
        );
        assert_eq!(
            variables(
                &files,
                &[("PATH", "db-user"), ("LANG", "9lives")],
                &[("KEY_FILE", "api.token")],
                false
            )
            .expect("some"),
            ["LANG=9lives", "PATH=db-user", "KEY_FILE=@api.token"],
            "a mapping may set what is set"
        );
        assert_eq!(
            variables(
                &files[..3],
                &[("A", "db-user"), ("B", "db-user")],
                &[("C", "db-user")],
                true
            )
            .expect("both"),
            [
                "A=db-user",
                "B=db-user",
                "C=@db-user",
                "DB_PASSWORD=db/password",
                "API_TOKEN=api.token"
            ]
        );
    }

    #[test]
    fn what_cannot_be_set_says_what_to_write() {
        for (paths, contents, message) in [
            (
                &["a", "b"][..],
                &[("X", "c")][..],
                "--env=X=c: the class has no file \"c\"; its files are a, b",
            ),
            (
                &["a-b", "a.b"],
                &[],
                "files \"a-b\" and \"a.b\" would both be A_B; map the file to a variable with --env NAME=FILE",
            ),
            (
                &["a", "b"],
                &[("B", "a")],
                "files \"a\" and \"b\" would both be B; map the file to a variable with --env NAME=FILE",
            ),
            (
                &["ld/preload"],
                &[],
                "file \"ld/preload\" would be LD_PRELOAD, which changes how programs run; map the file to a variable with --env NAME=FILE",
            ),
            (
                &["path"],
                &[],
                "file \"path\" would be PATH, which changes how programs run; map the file to a variable with --env NAME=FILE",
            ),
            (
                &["lang"],
                &[],
                "file \"lang\" would be LANG, which is set already; map the file to a variable with --env NAME=FILE",
            ),
        ] {
            let files: Vec<_> = paths.iter().map(|path| file(path, b"x")).collect();
            assert_eq!(
                variables(&files, contents, &[], true).expect_err("must fail"),
                message
            );
        }
    }

    #[test]
    fn what_a_variable_cannot_hold_may_be_a_file() {
        let large = vec![b'x'; VARIABLE_BYTES - 3];
        let files = [
            file("zero", b"a\0b"),
            file("large", &large),
            file("fits", &large[1..]),
        ];
        assert_eq!(
            variables(&files, &[("Z", "zero")], &[], false).expect_err("a zero byte"),
            "file \"zero\" holds a zero byte, which no variable can hold; use --file-env Z=zero"
        );
        assert_eq!(
            variables(&files, &[("LA", "large")], &[], false).expect_err("too large"),
            "file \"large\" has 131069 bytes, and a variable holds at most 131072; use --file-env LA=large"
        );
        assert!(variables(&files, &[("F", "fits"), ("L", "large")], &[("Z", "zero")], false).is_ok());
    }
}
