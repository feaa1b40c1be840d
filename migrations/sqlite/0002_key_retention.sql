-- How long a key stays in the JWKS after it came to rest: the longest retention that was
-- configured while it signed, microseconds. NULL for a key that never signed; for keys of
-- before, the settings in force hold until the first start writes it.
ALTER TABLE signing_keys ADD COLUMN retain_for INTEGER;
