{{ config(alias='disclosure_loss') }}
{{ hidden_counted('leaders') }}
