mod clients;
mod fake;
mod views;
