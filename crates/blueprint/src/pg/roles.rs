//! The roles of ours in the database: the psql script that makes what is missing or was changed, and writes nothing otherwise.
//!
//! Patroni runs it in the member (see [`CALLBACK`]), over the Unix socket: it needs no login of the user's, works with a volume
//! that comes from elsewhere, and reverts changes by SQL.

use api_types::Major;
use api_types::roles::{self, MONITOR, OPERATOR, PATRONI, REPLICATION, REWIND};
use sha2::{Digest, Sha256};

use crate::roles::MemberRoles;

/// What Patroni runs when PostgreSQL was started, promoted or reloaded.
pub(crate) const CALLBACK: &str = include_str!("roles.sh");
/// What Patroni runs as `initdb`.
pub(crate) const INITDB: &str = include_str!("initdb.sh");
/// Functions of the operators.
const FUNCTIONS: &str = include_str!("functions.sql");

/// What `pg_rewind` calls on the primary (PostgreSQL manual, `pg_rewind`, "Notes").
const REWINDS: [&str; 4] = [
    "pg_catalog.pg_ls_dir(text, boolean, boolean)",
    "pg_catalog.pg_stat_file(text, boolean)",
    "pg_catalog.pg_read_binary_file(text)",
    "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
];

/// Settings with which sessions of the operators begin: what they send is not logged, a verifier least of all.
const UNLOGGED: [&str; 3] = [
    "log_statement=none",
    "log_min_duration_statement=-1",
    "log_min_error_statement=panic",
];

/// One role in its wanted state.
struct Role<'a> {
    name: &'static str,
    is_superuser: bool,
    replicates: bool,
    verifier: Option<&'a str>,
    member_of: Vec<&'static str>,
    settings: Vec<&'static str>,
}

impl<'a> Role<'a> {
    fn new(name: &'static str, major: Major, verifier: Option<&'a str>) -> Self {
        // A user's trigger may refuse a login, ours too.
        let has_triggers = major.has_login_triggers();
        Self {
            name,
            is_superuser: false,
            replicates: false,
            verifier,
            member_of: Vec::new(),
            settings: has_triggers.then_some("event_triggers=off").into_iter().collect(),
        }
    }
}

/// In the order of their names, the one that makes the others first.
fn wanted(roles: &MemberRoles, major: Major) -> [Role<'_>; 5] {
    let mut observes = vec!["pg_monitor"];
    if major.has_reserved_connections() {
        observes.push("pg_use_reserved_connections");
    }
    let role = |name, verifier| Role::new(name, major, verifier);
    let mut operator = role(OPERATOR, Some(roles.operator_verifier.as_str()));
    operator.settings.splice(0..0, UNLOGGED);
    [
        Role {
            is_superuser: true,
            ..role(PATRONI, None)
        },
        Role {
            member_of: observes.clone(),
            ..role(MONITOR, None)
        },
        Role {
            member_of: observes,
            ..operator
        },
        Role {
            replicates: true,
            ..role(REPLICATION, Some(&roles.replication.verifier))
        },
        role(REWIND, Some(&roles.rewind.verifier)),
    ]
}

/// The result of the function `roles` of the operators' schema when every role is in its wanted state.
pub fn digest(roles: &MemberRoles) -> String {
    let flag = |is: bool| if is { 't' } else { 'f' };
    let line = |role: Role<'_>| {
        let verifier = role.verifier.map(|it| format!(" {it}")).unwrap_or_default();
        let (superuser, replicates) = (flag(role.is_superuser), flag(role.replicates));
        format!("{} {superuser} t {replicates} -1 t{verifier}", role.name)
    };
    let lines: Vec<String> = wanted(roles, Major::OLDEST).map(line).into();
    hex::encode(Sha256::digest(lines.join("\n")))
}

/// `roles.sql`.
pub(crate) fn script(roles: &MemberRoles, major: Major) -> String {
    let statements: Vec<String> = wanted(roles, major).iter().map(role).collect();
    let rewinds: Vec<String> = REWINDS.map(|function| format!("'{function}'")).into();
    [
        BEGINNING.to_owned(),
        statements.concat(),
        format!(
            "SELECT pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO {REWIND}', f) FROM pg_catalog.unnest(ARRAY[{}]) f \
             WHERE NOT pg_catalog.has_function_privilege('{REWIND}', f, 'EXECUTE') \\gexec\n",
            rewinds.join(", ")
        ),
        functions(),
    ]
    .concat()
}

/// On a standby there is nothing to do: roles come by replication.
const BEGINNING: &str = "\\set VERBOSITY terse
SELECT pg_catalog.pg_is_in_recovery() AS is_standby \\gset
\\if :is_standby
\\quit
\\endif
";

/// Statements that bring one role into its wanted state; each runs only when something differs.
fn role(role: &Role<'_>) -> String {
    let name = role.name;
    let no = |is: bool| if is { "" } else { "NO" };
    let password = role.verifier.map_or("NULL".to_owned(), |it| format!("'{it}'"));
    let create = format!(
        "SELECT 'CREATE ROLE {name}' WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{name}') \\gexec\n"
    );
    let alter = format!(
        "SELECT $alter$ALTER ROLE {name} LOGIN {}SUPERUSER {}REPLICATION INHERIT NOCREATEROLE NOCREATEDB NOBYPASSRLS \
         CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD {password}$alter$ FROM pg_catalog.pg_authid \
         WHERE rolname = '{name}' AND (rolcanlogin, rolsuper, rolreplication, rolinherit, rolcreaterole, rolcreatedb, \
         rolbypassrls, rolconnlimit, coalesce(rolvaliduntil, 'infinity'), rolpassword) IS DISTINCT FROM \
         (true, {}, {}, true, false, false, false, -1, 'infinity', {password}) \\gexec\n",
        no(role.is_superuser),
        no(role.replicates),
        role.is_superuser,
        role.replicates,
    );
    let grants = role.member_of.iter().map(|group| {
        format!(
            "SELECT 'GRANT {group} TO {name}' WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE \
             roleid = '{group}'::pg_catalog.regrole AND member = '{name}'::pg_catalog.regrole) \\gexec\n"
        )
    });
    [create, alter, grants.collect(), settings(role)].concat()
}

/// Settings of the role in every database go.
fn settings(role: &Role<'_>) -> String {
    let name = role.name;
    let quoted: Vec<String> = role.settings.iter().map(|it| format!("'{it}'")).collect();
    let set = |setting: &&str| {
        let (parameter, value) = setting.split_once('=').unwrap_or((setting, ""));
        format!("; ALTER ROLE {name} SET {parameter} = '{value}'")
    };
    let set: String = role.settings.iter().map(set).collect();
    format!(
        "SELECT pg_catalog.format('ALTER ROLE {name} IN DATABASE %I RESET ALL', d.datname) FROM pg_catalog.pg_db_role_setting s \
         JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase WHERE s.setrole = '{name}'::pg_catalog.regrole \\gexec\n\
         SELECT $set$ALTER ROLE {name} RESET ALL{set}$set$ WHERE coalesce((SELECT setconfig FROM pg_catalog.pg_db_role_setting \
         WHERE setdatabase = 0 AND setrole = '{name}'::pg_catalog.regrole), '{{}}') <> ARRAY[{}]::text[] \\gexec\n",
        quoted.join(", ")
    )
}

/// The operators' schema. Its comment records which functions were made, and what PostgreSQL showed of them then.
fn functions() -> String {
    let schema = roles::SCHEMA;
    let made = hex::encode(Sha256::digest(FUNCTIONS));
    let state = format!(
        "SELECT '{made} ' || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat_ws('|', \
         (SELECT pg_catalog.concat_ws('|', nspowner::pg_catalog.regrole, nspacl) FROM pg_catalog.pg_namespace WHERE nspname = '{schema}'), \
         (SELECT pg_catalog.string_agg(pg_catalog.concat_ws('|', pg_catalog.pg_get_functiondef(p.oid), \
         p.proowner::pg_catalog.regrole, p.proacl), '|' ORDER BY p.oid::pg_catalog.regprocedure::text) FROM pg_catalog.pg_proc p \
         WHERE p.pronamespace = pg_catalog.to_regnamespace('{schema}'))), 'UTF8')), 'hex')"
    );
    let drop = format!(
        "SELECT pg_catalog.format('DROP FUNCTION %s', oid::pg_catalog.regprocedure) FROM pg_catalog.pg_proc \
         WHERE pronamespace = pg_catalog.to_regnamespace('{schema}') AND prokind = 'f' \\gexec\n"
    );
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.to_regnamespace('{schema}')) AS is_taken \\gset\n\
         \\if :is_taken\n\\warn 'the schema {schema} has tables of somebody else: rename it'\n\\quit\n\\endif\n\
         SELECT coalesce(pg_catalog.obj_description(pg_catalog.to_regnamespace('{schema}'), 'pg_namespace'), '') = ({state}) AS is_made \\gset\n\
         \\if :is_made\n\\quit\n\\endif\nBEGIN;\nCREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {PATRONI};\n\
         ALTER SCHEMA {schema} OWNER TO {PATRONI};\nREVOKE ALL ON SCHEMA {schema} FROM PUBLIC;\n\
         GRANT USAGE ON SCHEMA {schema} TO {OPERATOR};\n{drop}SET LOCAL ROLE {PATRONI};\n{FUNCTIONS}\
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC;\n\
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {OPERATOR};\n\
         SELECT pg_catalog.format('COMMENT ON SCHEMA {schema} IS %L', ({state})) \\gexec\nCOMMIT;\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;
    use crate::roles::Roles;

    #[test]
    fn the_files_that_operators_read_are_those_of_a_member() {
        for path in [
            paths::PATRONI_YML,
            paths::TRUST,
            paths::SERVER_CERT,
            paths::CLIENT_CERT,
            paths::EXPORTER_CERT,
        ] {
            assert!(FUNCTIONS.contains(&format!("'{path}'")), "{path}");
        }
        for key in [paths::SERVER_KEY, paths::CLIENT_KEY, paths::MEMBER_IDENTITY] {
            assert!(!FUNCTIONS.contains(key), "{key}");
        }
        assert!(CALLBACK.contains(paths::ROLES_SQL) && CALLBACK.contains(paths::SOCKET_DIR));
    }

    #[test]
    fn only_patronis_role_is_a_superuser_and_only_one_replicates() {
        let roles = Roles::sample().of_member();
        let list = wanted(&roles, Major::new(18));
        let names = |which: fn(&Role<'_>) -> bool| -> Vec<&str> {
            list.iter()
                .filter(|role| which(role))
                .map(|role| role.name)
                .collect()
        };
        assert_eq!(names(|role| role.is_superuser), [PATRONI]);
        assert_eq!(names(|role| role.replicates), [REPLICATION]);
        assert_eq!(names(|role| role.verifier.is_none()), [PATRONI, MONITOR]);
        assert_eq!(list.map(|role| role.name), roles::ALL);
    }

    #[test]
    fn a_version_is_not_told_what_it_does_not_know() {
        let of = |major| script(&Roles::sample().of_member(), major);
        assert!(
            !of(Major::new(15)).contains("pg_use_reserved_connections")
                && of(Major::new(16)).contains("pg_use_reserved_connections")
        );
        assert!(
            !of(Major::new(16)).contains("event_triggers") && of(Major::new(17)).contains("event_triggers")
        );
    }
}
