"""The typed IR: values with a dtype, a shape and lead axes; nodes; regions."""
