"""A date becomes an edition becomes deliveries: whose mail is due, which stories are in it, and its compiled parts."""
