-- What processes share that a single one keeps in its folder and its memory.

-- Keys that every process signs and verifies with. Of each purpose, the one of the highest place signs.
CREATE TABLE secret (
    purpose       text   NOT NULL CHECK (length(purpose) BETWEEN 1 AND 40),
    place         bigint NOT NULL CHECK (place > 0),
    key           bytea  NOT NULL CHECK (length(key) = 32),
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (purpose, place)
);

-- Requests of the last minute that passed a rate limit. Lost with a crash of the server, which credits bound.
CREATE UNLOGGED TABLE request_window (
    key_id  bigint   NOT NULL,
    route   text     NOT NULL,
    passed  bigint[] NOT NULL, -- when, ascending
    allowed boolean  NOT NULL, -- whether the last one passed
    PRIMARY KEY (key_id, route)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
