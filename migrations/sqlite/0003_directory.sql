-- What the log is searched by: pages over 256 entries, and above them over 256 pages. `place`
-- is the level in the highest byte and the index below it. These tell of leaves and stay; those
-- that tell of bodies lie in log_directory_YYYYMM and go with the bodies of that month.
CREATE TABLE log_directory (
    place INTEGER PRIMARY KEY,
    page  BLOB NOT NULL
) STRICT;
