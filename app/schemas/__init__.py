"""What is sent and what is answered, declared; one file a resource."""
