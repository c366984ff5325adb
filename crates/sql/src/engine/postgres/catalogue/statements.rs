//! The statements that ask the catalogue. Names go in as two arrays, schemas (NULL where none is
//! written) and names; each answer begins with the number of the name that it is for.
//!
//! Trees of views and policies are read as text: dependencies on PostgreSQL's own functions are
//! recorded nowhere else. Functions that others are made of are answered as pointers
//! `{schema, name, oid}`.

/// Functions by name; the schema `*` is any.
pub(super) const FUNCTIONS: &str = r"
SELECT w.i, json_build_object(
    'oid', p.oid::int8, 'schema', n.nspname, 'name', p.proname, 'kind', p.prokind::text,
    'volatility', p.provolatile::text, 'is_definer', p.prosecdef,
    'arguments', p.pronargs, 'defaults', p.pronargdefaults,
    'is_variadic', p.provariadic <> 0, 'language', l.lanname,
    'takes', (p.proargtypes::oid[])::int8[], 'returns', p.prorettype::int8,
    'is_internal', p.prorettype IN (2281, 2275) OR 2281 = ANY (p.proargtypes::oid[])
        OR 2275 = ANY (p.proargtypes::oid[]),
    'is_own', p.oid >= 16384,
    'extension', (SELECT e.extname FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
            AND d.deptype = 'e' LIMIT 1),
    'body', CASE WHEN p.oid >= 16384 AND l.lanname IN ('sql', 'plpgsql') THEN p.prosrc END,
    'tree', CASE WHEN p.oid >= 16384 AND l.lanname = 'sql' THEN
        (SELECT json_build_object(
            'reads', strpos(t.tree, ':relid ') > 0,
            'calls', (SELECT json_agg(DISTINCT q.proname) FROM
                regexp_matches(t.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') m(m)
                JOIN pg_catalog.pg_proc q ON q.oid = m.m[1]::oid))
        FROM (SELECT to_jsonb(p) ->> 'prosqlbody' AS tree) t WHERE t.tree IS NOT NULL) END,
    'default_calls', CASE WHEN p.oid >= 16384 AND p.pronargdefaults > 0 THEN
        (SELECT json_agg(DISTINCT q.proname) FROM
            regexp_matches(p.proargdefaults::text, ':(?:funcid|opfuncid) ([0-9]+)', 'g') m(m)
            JOIN pg_catalog.pg_proc q ON q.oid = m.m[1]::oid) END,
    'parts', (SELECT json_agg(json_build_object(
            'schema', qn.nspname, 'name', q.proname, 'oid', q.oid::int8))
        FROM pg_catalog.pg_aggregate a
        JOIN pg_catalog.pg_proc q ON q.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
            a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
        JOIN pg_catalog.pg_namespace qn ON qn.oid = q.pronamespace
        WHERE p.prokind = 'a' AND p.oid >= 16384 AND a.aggfnoid = p.oid)
    )::text
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, i)
JOIN pg_catalog.pg_proc p ON p.proname = w.name
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE w.schema = '*' OR w.schema = n.nspname
    OR w.schema IS NULL AND n.nspname = ANY (pg_catalog.current_schemas(true))
ORDER BY w.i, n.nspname <> 'pg_catalog', p.oid
";

/// The functions behind operators by name, with those of negators and commutators.
pub(super) const OPERATORS: &str = r"
SELECT w.i, json_build_object(
    'oid', p.oid::int8, 'schema', n.nspname, 'name', p.proname,
    'of', (SELECT nspname FROM pg_catalog.pg_namespace WHERE oid = o.oprnamespace))::text
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, i)
JOIN pg_catalog.pg_operator o ON o.oprname = w.name
JOIN pg_catalog.pg_operator r ON r.oid IN (o.oid, o.oprcom, o.oprnegate)
JOIN pg_catalog.pg_proc p ON p.oid = r.oprcode
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE (w.schema = '*' OR EXISTS (SELECT FROM pg_catalog.pg_namespace s
        WHERE s.oid = o.oprnamespace AND (s.nspname = w.schema OR w.schema IS NULL
            AND s.nspname = ANY (pg_catalog.current_schemas(true)))))
    AND (p.oid >= 16384 OR p.provolatile = 'v')
ORDER BY w.i, p.oid
";

/// Relations by name, as the search path resolves it.
pub(super) const RELATIONS: &str = r"
SELECT f.i, json_build_object(
    'schema', n.nspname, 'name', c.relname,
    'is_unicode', pg_catalog.getdatabaseencoding() IN ('UTF8', 'SQL_ASCII'),
    'is_plain', c.relkind = 'r' AND c.reltoastrelid = 0 AND NOT c.relhassubclass
        AND NOT c.relrowsecurity
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND to_jsonb(a) ->> 'attgenerated' = 'v'),
    'columns', (SELECT json_agg(json_build_object('name', a.attname,
            'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'type_id', a.atttypid::int8) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'family', (WITH RECURSIVE up(oid) AS (
            SELECT c.oid
            UNION SELECT h.inhparent FROM pg_catalog.pg_inherits h JOIN up ON h.inhrelid = up.oid),
        down(oid) AS (
            SELECT c.oid
            UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN down ON h.inhparent = down.oid)
        SELECT json_agg(json_build_array(fn.nspname, fc.relname))
        FROM (SELECT oid FROM up UNION SELECT oid FROM down) fo
        JOIN pg_catalog.pg_class fc ON fc.oid = fo.oid
        JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace),
    'foreign', CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_foreign_table) THEN (
        WITH RECURSIVE reads(oid) AS (
            SELECT c.oid
            UNION SELECT x.oid FROM reads, LATERAL (
                SELECT h.inhrelid FROM pg_catalog.pg_inherits h WHERE h.inhparent = reads.oid
                UNION ALL SELECT m.m[1]::oid FROM pg_catalog.pg_class v
                JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid AND r.ev_type = '1',
                LATERAL regexp_matches(r.ev_action::text, ':relid ([0-9]+)', 'g') m(m)
                WHERE v.oid = reads.oid AND v.relkind = 'v' AND v.oid >= 16384) x(oid))
        SELECT json_agg(json_build_array(tn.nspname, t.relname)) FROM reads
        JOIN pg_catalog.pg_class t ON t.oid = reads.oid AND t.relkind = 'f'
        JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace) END,
    'beneath', b.names, 'calls', b.calls)::text
FROM (SELECT w.i, (SELECT c.oid FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = w.name AND (n.nspname = w.schema
            OR w.schema IS NULL AND n.nspname = ANY (pg_catalog.current_schemas(true)))
        ORDER BY array_position(pg_catalog.current_schemas(true), n.nspname) LIMIT 1) AS oid
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, i)) f
JOIN pg_catalog.pg_class c ON c.oid = f.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    WITH RECURSIVE below(oid) AS (
        SELECT c.oid
        UNION
        SELECT m.m[1]::oid FROM below
        JOIN pg_catalog.pg_class v ON v.oid = below.oid AND v.relkind IN ('v', 'm')
            AND v.oid >= 16384
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid AND r.ev_type = '1',
        LATERAL regexp_matches(r.ev_action::text, ':relid ([0-9]+)', 'g') m(m)),
    trees(tree) AS (
        SELECT r.ev_action::text FROM below
        JOIN pg_catalog.pg_class v ON v.oid = below.oid AND v.relkind IN ('v', 'm')
            AND v.oid >= 16384
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid AND r.ev_type = '1'
        UNION ALL
        SELECT pol.polqual::text FROM below
        JOIN pg_catalog.pg_class t ON t.oid = below.oid AND t.relrowsecurity
        JOIN pg_catalog.pg_policy pol ON pol.polrelid = t.oid AND pol.polcmd IN ('r', '*')),
    called(oid) AS (
        SELECT m.m[1]::oid FROM trees,
        LATERAL regexp_matches(tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') m(m)
        UNION
        SELECT o.oprcode FROM trees,
        LATERAL regexp_matches(tree, ':opno ([0-9]+)', 'g') m(m)
        JOIN pg_catalog.pg_operator o ON o.oid = m.m[1]::oid)
    SELECT
        (SELECT json_agg(json_build_array(n.nspname, v.relname)) FROM below
            JOIN pg_catalog.pg_class v ON v.oid = below.oid
            JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
            WHERE v.oid <> c.oid) AS names,
        (SELECT json_agg(json_build_object(
                'schema', n.nspname, 'name', p.proname, 'oid', p.oid::int8))
            FROM called JOIN pg_catalog.pg_proc p ON p.oid = called.oid
            JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE p.provolatile = 'v' OR p.oid >= 16384) AS calls
) b ON c.oid >= 16384 AND (c.relkind IN ('v', 'm') OR c.relrowsecurity)
ORDER BY f.i
";

/// Types by which something volatile is called without being named: casts, checks of domains,
/// input and output, operator classes, ranges. Nothing is recursive here: the planner would take
/// it for so expensive that it compiles it.
pub(super) const TAINT: &str = r"
WITH risky(oid) AS (
    SELECT p.oid FROM pg_catalog.pg_proc p
    WHERE p.oid >= 16384 AND (p.provolatile = 'v' OR p.prosecdef))
SELECT json_build_object('oid', t.oid::int8, 'schema', n.nspname, 'name', t.typname,
    'on_use', found.on_use)::text
FROM (
    SELECT t.oid, t.oid >= 16384 OR c.castcontext = 'i'
        FROM pg_catalog.pg_cast c JOIN risky ON risky.oid = c.castfunc,
        LATERAL (VALUES (c.castsource), (c.casttarget)) t(oid)
        WHERE t.oid >= 16384 OR c.castsource < 16384 AND t.oid = c.casttarget
    UNION
    SELECT k.contypid, false FROM pg_catalog.pg_constraint k,
        LATERAL regexp_matches(k.conbin::text, ':(?:funcid|opfuncid) ([0-9]+)', 'g') m(m)
        JOIN pg_catalog.pg_proc p ON p.oid = m.m[1]::oid AND (p.provolatile = 'v' OR p.prosecdef)
        WHERE k.contypid <> 0 AND k.oid >= 16384
    UNION
    SELECT t.oid, true FROM pg_catalog.pg_type t
        JOIN risky ON risky.oid IN (t.typinput, t.typoutput, t.typmodin, t.typmodout)
    UNION
    SELECT o.opcintype, true FROM pg_catalog.pg_opclass o
        JOIN pg_catalog.pg_amproc a ON a.amprocfamily = o.opcfamily
        JOIN risky ON risky.oid = a.amproc
    UNION
    SELECT o.opcintype, true FROM pg_catalog.pg_opclass o
        JOIN pg_catalog.pg_amop a ON a.amopfamily = o.opcfamily
        JOIN pg_catalog.pg_operator r ON r.oid = a.amopopr
        JOIN risky ON risky.oid = r.oprcode
    UNION
    SELECT r.rngtypid, true FROM pg_catalog.pg_range r
        JOIN risky ON risky.oid IN (r.rngcanonical, r.rngsubdiff)
) found(oid, on_use)
JOIN pg_catalog.pg_type t ON t.oid = found.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
";

/// The types that hold one of the given: arrays, domains, ranges, rows.
pub(super) const HOLDERS: &str = r"
SELECT held.of::int8, json_build_object('oid', t.oid::int8, 'schema', n.nspname,
    'name', t.typname, 'on_use', false)::text
FROM (
    SELECT w.oid, t.oid FROM unnest($1::int8[]) w(oid)
        JOIN pg_catalog.pg_type t ON w.oid::oid IN (t.typelem, t.typbasetype)
    UNION ALL
    SELECT w.oid, r.rngtypid FROM unnest($1::int8[]) w(oid)
        JOIN pg_catalog.pg_range r ON r.rngsubtype = w.oid::oid
    UNION ALL
    SELECT w.oid, c.reltype FROM unnest($1::int8[]) w(oid)
        JOIN pg_catalog.pg_attribute a ON a.atttypid = w.oid::oid AND a.attnum > 0
            AND NOT a.attisdropped
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.reltype <> 0
) held(of, oid)
JOIN pg_catalog.pg_type t ON t.oid = held.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
";

/// Tables and views that may be read.
pub(super) const RELATION_NAMES: &str = r"
SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= 16384
    AND n.nspname !~ '^(pg_|information_schema$)'
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
ORDER BY 1, 2 LIMIT 5000
";

/// Functions of the search path that begin with a letter.
pub(super) const FUNCTION_NAMES: &str = r"
SELECT DISTINCT p.proname::text FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE left(p.proname, 1) = $1 AND n.nspname = ANY (pg_catalog.current_schemas(true))
    AND p.prorettype NOT IN (2278, 2279, 2281, 3838) LIMIT 2000
";
