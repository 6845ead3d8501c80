-- How streams are pulled: whom TLS connections may lead to, and the way that serves a point.
ALTER TABLE point ADD COLUMN trust TEXT; -- SHA-256 of the certificate to expect, or insecure; null: whom an authority vouches for

-- The points that the plain way does not serve, as their looks found; all rows are replaced together.
CREATE TABLE point_transport (
    point TEXT NOT NULL PRIMARY KEY, -- code of the point
    transport TEXT NOT NULL            -- tolerant, udp or udp_addressed
) WITHOUT ROWID;
