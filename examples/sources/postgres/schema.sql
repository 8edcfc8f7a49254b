-- A CRM as any application might have it: nothing in it knows of Haversack.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    full_name text NOT NULL,
    email text
);

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    city text,
    revenue numeric(14, 2) CONSTRAINT revenue_is_not_negative CHECK (revenue >= 0),
    owner_id uuid REFERENCES users,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid REFERENCES users
);

CREATE TABLE contacts (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    full_name text NOT NULL,
    job_title text,
    email text,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    IF TG_TABLE_NAME = 'accounts' THEN
        NEW.updated_by := nullif(current_setting('app.user_id', true), '')::uuid;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION stamp();
